"""Policies behind OpenAI-compatible chat APIs: text in, text out, so never token-exact or trained from."""
