"""Cloud Tasks on a laptop: the v2 gRPC API, HTTP delivery with OIDC tokens, and tasks that outlive the process.

What it does as the service does is written at the part that does it. What it leaves out: App Engine tasks, OAuth
tokens, queue-level HTTP targets, IAM, the service's own throttling (slow ramp-up, 429, 503 and Retry-After), and the
truncation of backoffs to whole seconds, so that tests can use short ones.
"""
