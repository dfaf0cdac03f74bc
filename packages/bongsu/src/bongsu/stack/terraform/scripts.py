"""What runs on the host: as it is made, at each deployment, and the tunnel's configuration."""

from ipaddress import IPv4Network

from bongsu.stack.files import HEADER
from bongsu.stack.model import Stack
from bongsu.stack.terraform.aws import WIREGUARD_PORT

BOOT = r"""
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive

# The volume holds all of Docker's data, and is kept when the host is replaced.
device=/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_$(echo "$VOLUME" | tr -d -)
for _ in $(seq 120); do
  [ -e "$device" ] && break
  sleep 5
done
blkid "$device" > /dev/null || mkfs.ext4 -q "$device"
mkdir -p /var/lib/docker
grep -q ' /var/lib/docker ' /etc/fstab \
  || echo "$device /var/lib/docker ext4 defaults,nofail 0 2" >> /etc/fstab
mountpoint -q /var/lib/docker || mount /var/lib/docker

if [ ! -e /swapfile ]; then
  fallocate -l 1G /swapfile
  chmod 600 /swapfile
  mkswap -q /swapfile
  swapon /swapfile
  echo '/swapfile none swap sw 0 0' >> /etc/fstab
fi

# Containers may be started before the tunnel whose address they are bound to.
echo net.ipv4.ip_nonlocal_bind=1 > /etc/sysctl.d/60-bongsu.conf
sysctl -q --system
install -d /etc/systemd/system/docker.service.d
printf '[Unit]\nRequiresMountsFor=/var/lib/docker\n' > /etc/systemd/system/docker.service.d/bongsu.conf

apt-get update -q
apt-get install -q -y --no-install-recommends docker.io docker-buildx docker-compose-v2 wireguard-tools
snap install aws-cli --classic
"""

DEPLOY = r"""
set -euo pipefail
export PATH="$PATH:/snap/bin"
metadata=http://169.254.169.254/latest
token=$(curl -sf -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' "$metadata/api/token")
AWS_DEFAULT_REGION=$(curl -sf -H "X-aws-ec2-metadata-token: $token" "$metadata/meta-data/placement/region")
export AWS_DEFAULT_REGION
here=$(dirname "$(readlink -f "$0")")
stack=/opt/stack

# The private key is made here once, and kept where a replaced host finds it.
key=/etc/wireguard/private.key
if [ ! -s "$key" ]; then
  (
    umask 077
    if ! aws ssm get-parameter --name "/$NAME/wireguard/private-key" --with-decryption \
      --query Parameter.Value --output text > "$key.new"; then
      wg genkey > "$key.new"
      aws ssm put-parameter --type SecureString --name "/$NAME/wireguard/private-key" \
        --value "file://$key.new" > /dev/null
    fi
    mv "$key.new" "$key"
  )
fi
aws ssm put-parameter --overwrite --type String --name "/$NAME/wireguard/public-key" \
  --value "$(wg pubkey < "$key")" > /dev/null
if ! cmp -s "$here/wg0.conf" /etc/wireguard/wg0.conf; then
  install -m 600 "$here/wg0.conf" /etc/wireguard/wg0.conf
  systemctl enable -q wg-quick@wg0
  systemctl restart wg-quick@wg0
fi

install -d -m 755 "$stack"
aws s3 sync --only-show-errors --delete --exact-timestamps "s3://$BUCKET/stack/" "$stack/"
cd "$stack"
aws ssm get-parameters-by-path --path "/$NAME/secrets" --with-decryption --output json \
  | python3 "$here/with_secrets.py" .env.example BIND_ADDRESS="$(cat "$here/address")" HOST_NAME="$NAME" -- \
    docker compose up --detach --build --remove-orphans
docker image prune --force > /dev/null
"""

WITH_SECRETS = r'''"""Runs a command with the parameters on stdin in its environment: no disk has them."""

import json
import os
import re
import sys


def main():
    end = sys.argv.index("--")
    example, *given = sys.argv[1:end]
    values = dict(pair.split("=", 1) for pair in given)
    for parameter in json.load(sys.stdin)["Parameters"]:
        values[parameter["Name"].rsplit("/", 1)[1]] = parameter["Value"]
    with open(example, encoding="utf-8") as file:
        wanted = re.findall(r"^(\w+)=$", file.read(), re.MULTILINE)
    missing = [name for name in wanted if not values.get(name)]
    if missing:
        sys.exit("not in the Parameter Store: " + ", ".join(missing))
    command = sys.argv[end + 1 :]
    os.execvpe(command[0], command, {**os.environ, **values})


main()
'''


def scripts(stack: Stack) -> dict[str, str]:
    """The files below ``terraform/host``."""
    return {
        "boot.sh": HEADER + BOOT,
        "deploy.sh": HEADER + DEPLOY,
        "with_secrets.py": HEADER + WITH_SECRETS,
        "address": f"{address(stack)}\n",
        "wg0.conf": HEADER + _wireguard(stack),
    }


def tunnel(stack: Stack) -> IPv4Network:
    return IPv4Network(stack.catalog.host.tunnel, strict=False)


def address(stack: Stack) -> str:
    """The host's address within the tunnel: its first."""
    return str(tunnel(stack)[1])


def _wireguard(stack: Stack) -> str:
    lines = [
        "[Interface]",
        f"Address = {address(stack)}/{tunnel(stack).prefixlen}",
        f"ListenPort = {WIREGUARD_PORT}",
        "PostUp = wg set %i private-key /etc/wireguard/private.key",
    ]
    for name, peer in stack.catalog.host.peers.items():
        lines += [
            "",
            f"# {name}",
            "[Peer]",
            f"PublicKey = {peer.public_key}",
            f"AllowedIPs = {peer.address}/32",
        ]
    return "\n".join(lines) + "\n"
