"""Who is who: certificates, tokens, and requests in another's name."""
