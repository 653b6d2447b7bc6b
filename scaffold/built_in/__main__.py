"""Run the data server: `python -m services.data_nodes.skeleton`."""

from services.data_nodes.skeleton.server import SkeletonServer
from sisock.session import run

if __name__ == "__main__":
    run(SkeletonServer)
