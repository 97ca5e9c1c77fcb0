"""The gateway's own authorization server (RFC 6749): apps get tokens, members say whether they may."""
