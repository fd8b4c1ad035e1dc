"""The models of the paper under the names that configurations, weights and the command line use."""
