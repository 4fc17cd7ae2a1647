"""A small internet on loopback: name servers, certificates, other servers, gateways."""
