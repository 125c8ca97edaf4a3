"""The local sandbox as a code server, in the original's two dialects (reference 2.1)."""
