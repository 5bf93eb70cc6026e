"""Validates an OpenAPI document, which is on standard input, with openapi-spec-validator. Prints each fault in a line."""

import json
import sys

try:
    from openapi_spec_validator import OpenAPIV31SpecValidator
except ImportError:
    sys.exit(77)

for fault in OpenAPIV31SpecValidator(json.load(sys.stdin)).iter_errors():
    print(f"{'/'.join(map(str, fault.absolute_path))}: {fault.message}")
