"""``python -m services.hub``; see `sisock/router.yml` for its settings."""

from services.hub.session import Hub
from sisock.session import run

if __name__ == "__main__":
    run(Hub)
