"""Devices: what gateways declared, whether they answer, what they last said, what was asked of them."""
