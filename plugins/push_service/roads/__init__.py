"""The roads to vendors of push: what they have in common is in :mod:`~xmppd.plugins.push_service.roads.contract`."""
