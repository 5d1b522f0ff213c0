"""Small meters on MQTT: metering plugs, energy modules and firmware of one's own, each with a small load behind it."""
