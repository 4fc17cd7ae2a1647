"""Devices that come by the web door: over WebSocket and BOSH; and files that are uploaded; under faults."""
