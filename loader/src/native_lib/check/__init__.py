"""``native-lib check``: read wheels of any platform on any platform, and say what is wrong."""
