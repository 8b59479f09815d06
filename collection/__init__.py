"""What a record and a collection are. No Beam, no JAX, no network."""
