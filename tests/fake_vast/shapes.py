"""An instance and an offer as Vast.ai describes them: https://docs.vast.ai/api-reference"""

from __future__ import annotations

from typing import Any

HOURS_A_MONTH = 720


def instance(number: int, **changes: Any) -> dict[str, Any]:
    """A running instance with a direct port, as the list describes it, changed."""
    return {
        "id": number,
        "label": None,
        "actual_status": "running",
        "cur_state": "running",
        "image_uuid": "nvidia/cuda:12.4.1-runtime-ubuntu22.04",
        "image_runtype": "ssh ssh_direc ssh_proxy",
        "template_name": None,
        "public_ipaddr": "192.0.2.45",
        "ssh_host": "ssh123.vast.ai",
        "ssh_port": 10600,
        "ports": {"22/tcp": [{"HostIp": "0.0.0.0", "HostPort": "20022"}]},
        "gpu_name": "RTX 4090",
        "num_gpus": 1,
        "dph_total": 0.4,
        **changes,
    }


def offer(number: int, **changes: Any) -> dict[str, Any]:
    """An offer of one RTX 4090 for $0.30 an hour, changed; prices of storage are put in by the account."""
    return {
        "id": number,
        "ask_contract_id": number,
        "machine_id": 1000 + number,
        "host_id": 2000 + number,
        "gpu_name": "RTX 4090",
        "gpu_arch": "nvidia",
        "num_gpus": 1,
        "gpu_frac": 1.0,
        "gpu_ram": 24564,
        "compute_cap": 890,
        "cuda_max_good": 12.8,
        "driver_version": "570.86.15",
        "cpu_arch": "amd64",
        "cpu_ram": 64000,
        "dph_base": 0.30,
        "storage_cost": 0.144,
        "inet_down": 800.0,
        "inet_up": 400.0,
        "inet_down_cost": 0.002,
        "inet_up_cost": 0.004,
        "disk_space": 500.0,
        "reliability2": 0.995,
        "reliability": 0.995,
        "direct_port_count": 249,
        "geolocation": "Norway, NO",
        "verification": "verified",
        "rentable": True,
        "rented": False,
        "duration": 30 * 24 * 3600.0,
        **changes,
    }


def priced(raw: dict[str, Any], disk: float) -> dict[str, Any]:
    """`raw` with its hourly prices for `disk` GB, as a search with `allocated_storage` has them."""
    if not isinstance(raw.get("storage_cost"), float) or not isinstance(raw.get("dph_base"), float):
        return raw
    storage = raw["storage_cost"] * disk / HOURS_A_MONTH
    return {"storage_total_cost": storage, "dph_total": raw["dph_base"] + storage, **raw}
