"""What either host lets in: from the other what it needs, from anybody else SSH."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from doors import open_doors
from testinfra.host import Host

ROUTER, OCS, DATABASE = 8080, 8002, 8003


def test_who_is_no_host_of_the_site_finds_no_door_but_sshs(addresses: dict[str, str]) -> None:
    """Neither on the one nor on the other."""
    with ThreadPoolExecutor() as both:
        found = dict(zip(addresses, both.map(open_doors, addresses.values()), strict=True))
    assert found == {"observatory": {22}, "telescope": {22}}


def test_each_host_finds_the_doors_it_needs(addresses: dict[str, str], observatory: Host, telescope: Host) -> None:
    """The data servers' router, OCS and the index; nothing the other way."""
    assert open_doors(addresses["observatory"], seen_from=telescope) == {22, ROUTER, OCS, DATABASE}
    assert open_doors(addresses["telescope"], seen_from=observatory) == {22}


@pytest.mark.parametrize("port", [OCS, DATABASE])
def test_a_tunnel_speaks_with_nobody_who_has_no_key(addresses: dict[str, str], telescope: Host, port: int) -> None:
    """Without a key there is no session, with another one neither."""
    connect = f"openssl s_client -connect {addresses['observatory']}:{port}"
    for key in ("", "-psk_identity telescope -psk 00112233445566778899aabbccddeeff", "-tls1_2"):
        refused = telescope.run(f"{connect} {key} </dev/null")
        assert refused.rc != 0, key
        assert "Cipher is (NONE)" in refused.stdout or "error" in refused.stderr, key


def test_the_router_is_who_it_says(addresses: dict[str, str], telescope: Host) -> None:
    """The authority that this host trusts has signed its certificate, for the address it is called by."""
    checked = telescope.check_output(
        f"openssl s_client -connect {addresses['observatory']}:{ROUTER} -CAfile /etc/sisock/tls/ca.crt"
        f" -verify_ip {addresses['observatory']} -verify_return_error </dev/null"
    )
    assert "Verify return code: 0 (ok)" in checked
    assert not telescope.file("/etc/sisock/tls/ca.key").exists
