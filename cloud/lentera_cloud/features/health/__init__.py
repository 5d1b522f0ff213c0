"""Health: does the service work, and what does it wait for?"""
