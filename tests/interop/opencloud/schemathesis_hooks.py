"""How schemathesis sends what the node's OpenAPI description names and it does not know."""

import schemathesis


@schemathesis.serializer("application/vnd.ipld.car")
def car(_context, value):
    """Whatever bytes: what is no CAR has to be refused."""
    return value if isinstance(value, bytes) else repr(value).encode()
