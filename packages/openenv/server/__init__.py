"""The OpenEnv server of DeepEyes."""
