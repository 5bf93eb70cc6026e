"""Reads metrics, which are on standard input, with prometheus_client. Prints {family: samples} as JSON."""

import json
import sys

try:
    from prometheus_client.parser import text_string_to_metric_families
except ImportError:
    sys.exit(77)

families = list(text_string_to_metric_families(sys.stdin.read()))
undescribed = [family.name for family in families if not family.documentation or family.type == "unknown"]
assert not undescribed, undescribed
print(json.dumps({family.name: len(family.samples) for family in families}))
