"""Any search engine as a `/retrieve` server in Search-R1's form."""
