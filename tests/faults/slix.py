"""placeholder"""
from tests.faults.client import Client as SlixmppDevice
