"""The resources on AWS, as Terraform's JSON syntax: data in, data out, nothing to quote or to format."""

import json
import re
from collections.abc import Iterable
from typing import Any

from bongsu.stack.model import Stack

Block = dict[str, Any]
PROVIDER = "~> 5.100"
WIREGUARD_PORT = 51820
_UBUNTU = "/aws/service/canonical/ubuntu/server/24.04/stable/current/{arch}/hvm/ebs-gp3/ami-id"
_ROOT_GIB = 12


def configuration(stack: Stack, folders: Iterable[str]) -> dict[str, Block]:
    """File → its document. ``folders`` are those of the systems, beside ``compose.yaml``."""
    return {
        "versions": _versions(),
        "variables": _variables(stack),
        "network": _network(),
        "access": _access(),
        "files": _files(sorted(folders)),
        "host": _host(stack),
        "outputs": _outputs(stack),
    }


def to_json(document: Block) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def name_of(stack: Stack) -> str:
    return re.sub(r"[^a-z0-9-]+", "-", stack.catalog.name.lower()).strip("-") + "-monitoring"


def architecture(instance_type: str) -> str:
    """``arm64`` for Graviton's families, whose generation is followed by a ``g``."""
    return "arm64" if re.match(r"(a1|[a-z]+\d+g[a-z]*)\.", instance_type) else "amd64"


def _versions() -> Block:
    return {
        "terraform": {
            "required_version": ">= 1.9",
            "required_providers": {"aws": {"source": "hashicorp/aws", "version": PROVIDER}},
        },
        "provider": {
            "aws": {
                "region": "${var.region}",
                "default_tags": {"tags": {"Name": "${var.name}", "ManagedBy": "terraform"}},
            }
        },
    }


def _variables(stack: Stack) -> Block:
    host = stack.catalog.host

    def variable(kind: str, default: Any, description: str) -> Block:
        return {"type": kind, "default": default, "description": description}

    return {
        "variable": {
            "name": variable("string", name_of(stack), "What everything is called."),
            "region": variable("string", host.region, "The AWS region."),
            "instance_type": variable("string", host.instance_type, "How big the host is."),
            "disk": variable("number", max(8, round(host.disk / 2**30)), "The stack's volume, in GiB."),
            "subnet_id": variable(
                "string",
                "",
                "A public subnet from which the targets are reached; the default VPC's first if empty.",
            ),
        }
    }


def _network() -> Block:
    here = '${var.subnet_id == "" ? 1 : 0}'
    return {
        "data": {
            "aws_vpc": {"default": {"count": here, "default": True}},
            "aws_subnets": {
                "default": {
                    "count": here,
                    "filter": [
                        {"name": "vpc-id", "values": ["${data.aws_vpc.default[0].id}"]},
                        {"name": "default-for-az", "values": ["true"]},
                    ],
                }
            },
            "aws_subnet": {
                "host": {
                    "id": '${var.subnet_id != "" ? var.subnet_id : sort(data.aws_subnets.default[0].ids)[0]}'
                }
            },
        },
        "resource": {
            "aws_security_group": {
                "host": {
                    "name_prefix": "${var.name}-",
                    "description": "WireGuard in, anything out",
                    "vpc_id": "${data.aws_subnet.host.vpc_id}",
                    "lifecycle": {"create_before_destroy": True},
                }
            },
            "aws_vpc_security_group_ingress_rule": {
                "wireguard": {
                    "security_group_id": "${aws_security_group.host.id}",
                    "description": "WireGuard, which answers only to the keys of its peers",
                    "ip_protocol": "udp",
                    "from_port": WIREGUARD_PORT,
                    "to_port": WIREGUARD_PORT,
                    "cidr_ipv4": "0.0.0.0/0",
                }
            },
            "aws_vpc_security_group_egress_rule": {
                "all": {
                    "security_group_id": "${aws_security_group.host.id}",
                    "description": "Images, targets and channels",
                    "ip_protocol": "-1",
                    "cidr_ipv4": "0.0.0.0/0",
                }
            },
            "aws_eip": {"host": {"domain": "vpc"}},
            "aws_eip_association": {
                "host": {
                    "allocation_id": "${aws_eip.host.id}",
                    "instance_id": "${aws_instance.host.id}",
                }
            },
        },
    }


def _access() -> Block:
    arn = "arn:${data.aws_partition.here.partition}"
    parameters = (
        f"{arn}:ssm:${{var.region}}:${{data.aws_caller_identity.here.account_id}}:parameter/${{var.name}}"
    )
    return {
        "data": {"aws_caller_identity": {"here": {}}, "aws_partition": {"here": {}}},
        "resource": {
            "aws_iam_role": {
                "host": {
                    "name_prefix": "${var.name}-",
                    "assume_role_policy": _policy(
                        {
                            "Effect": "Allow",
                            "Action": "sts:AssumeRole",
                            "Principal": {"Service": "ec2.amazonaws.com"},
                        }
                    ),
                }
            },
            "aws_iam_role_policy_attachment": {
                "session_manager": {
                    "role": "${aws_iam_role.host.name}",
                    "policy_arn": f"{arn}:iam::aws:policy/AmazonSSMManagedInstanceCore",
                }
            },
            "aws_iam_role_policy": {
                "host": {
                    "name_prefix": "${var.name}-",
                    "role": "${aws_iam_role.host.id}",
                    "policy": _policy(
                        {
                            "Effect": "Allow",
                            "Action": ["s3:GetObject", "s3:ListBucket"],
                            "Resource": ["${aws_s3_bucket.files.arn}", "${aws_s3_bucket.files.arn}/*"],
                        },
                        {
                            "Effect": "Allow",
                            "Action": ["ssm:GetParameter", "ssm:GetParametersByPath"],
                            "Resource": [f"{parameters}/secrets", f"{parameters}/*"],
                        },
                        {
                            "Effect": "Allow",
                            "Action": "ssm:PutParameter",
                            "Resource": f"{parameters}/wireguard/*",
                        },
                    ),
                }
            },
            "aws_iam_instance_profile": {
                "host": {"name_prefix": "${var.name}-", "role": "${aws_iam_role.host.name}"}
            },
        },
    }


def _policy(*statements: Block) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def _files(folders: list[str]) -> Block:
    patterns = ", ".join(f'"{folder}/**"' for folder in folders)
    return {
        "locals": {
            "root": "${path.module}/..",
            "stack": (
                f'${{setunion(toset(["compose.yaml", ".env.example"]), '
                f"[for pattern in [{patterns}] : fileset(local.root, pattern)]...)}}"
            ),
            "scripts": '${fileset("${path.module}/host", "*")}',
            "digest": (
                "${sha256(jsonencode(concat("
                '[for name in sort(local.stack) : filesha256("${local.root}/${name}")], '
                "sort(local.stack), "
                '[for name in sort(local.scripts) : filesha256("${path.module}/host/${name}")])))}'
            ),
        },
        "resource": {
            "aws_s3_bucket": {"files": {"bucket_prefix": "${var.name}-", "force_destroy": True}},
            "aws_s3_bucket_public_access_block": {
                "files": {
                    "bucket": "${aws_s3_bucket.files.id}",
                    "block_public_acls": True,
                    "block_public_policy": True,
                    "ignore_public_acls": True,
                    "restrict_public_buckets": True,
                }
            },
            "aws_s3_object": {
                "stack": _objects("stack", "${local.stack}", "${local.root}"),
                "scripts": _objects("host", "${local.scripts}", "${path.module}/host"),
            },
        },
    }


def _objects(prefix: str, each: str, folder: str) -> Block:
    return {
        "for_each": each,
        "bucket": "${aws_s3_bucket.files.id}",
        "key": f"{prefix}/${{each.value}}",
        "source": f"{folder}/${{each.value}}",
        "source_hash": f'${{filemd5("{folder}/${{each.value}}")}}',
    }


def _host(stack: Stack) -> Block:
    image = _UBUNTU.format(arch=architecture(stack.catalog.host.instance_type))
    deploy = (
        "cloud-init status --wait > /dev/null || true; set -eu; "
        "/snap/bin/aws s3 cp --only-show-errors s3://${aws_s3_bucket.files.id}/host/ /opt/host/ --recursive; "
        "BUCKET=${aws_s3_bucket.files.id} NAME=${var.name} bash /opt/host/deploy.sh # ${local.digest}"
    )
    return {
        "data": {"aws_ssm_parameter": {"ubuntu": {"name": image}}},
        "resource": {
            "aws_instance": {
                "host": {
                    "ami": "${data.aws_ssm_parameter.ubuntu.value}",
                    "instance_type": "${var.instance_type}",
                    "subnet_id": "${data.aws_subnet.host.id}",
                    "vpc_security_group_ids": ["${aws_security_group.host.id}"],
                    "iam_instance_profile": "${aws_iam_instance_profile.host.name}",
                    # Until its own address is attached, it fetches packages with this one.
                    "associate_public_ip_address": True,
                    "metadata_options": {"http_tokens": "required", "http_put_response_hop_limit": 1},
                    "root_block_device": {
                        "volume_type": "gp3",
                        "volume_size": _ROOT_GIB,
                        "encrypted": True,
                    },
                    "user_data": (
                        "#!/bin/bash\nexport VOLUME=${aws_ebs_volume.data.id}\n"
                        '${file("${path.module}/host/boot.sh")}'
                    ),
                    # A newer image of Ubuntu is no reason to replace a host that updates itself.
                    "lifecycle": {"ignore_changes": ["ami", "user_data", "associate_public_ip_address"]},
                }
            },
            "aws_ebs_volume": {
                "data": {
                    "availability_zone": "${data.aws_subnet.host.availability_zone}",
                    "type": "gp3",
                    "size": "${var.disk}",
                    "encrypted": True,
                    "final_snapshot": True,
                }
            },
            "aws_volume_attachment": {
                "data": {
                    "device_name": "/dev/sdf",
                    "volume_id": "${aws_ebs_volume.data.id}",
                    "instance_id": "${aws_instance.host.id}",
                    "stop_instance_before_detaching": True,
                }
            },
            "aws_ssm_association": {
                "deploy": {
                    "name": "AWS-RunShellScript",
                    "association_name": "${var.name}-deploy",
                    "parameters": {"commands": deploy},
                    "targets": {"key": "InstanceIds", "values": ["${aws_instance.host.id}"]},
                    "depends_on": [
                        "aws_s3_object.stack",
                        "aws_s3_object.scripts",
                        "aws_iam_role_policy.host",
                        "aws_volume_attachment.data",
                    ],
                }
            },
        },
    }


def _outputs(stack: Stack) -> Block:
    def output(value: str, description: str) -> Block:
        return {"value": value, "description": description}

    return {
        "output": {
            "endpoint": output(
                f"${{aws_eip.host.public_ip}}:{WIREGUARD_PORT}",
                "The Endpoint in a peer's WireGuard configuration.",
            ),
            "public_key": output(
                "aws ssm get-parameter --region ${var.region} --name /${var.name}/wireguard/public-key "
                "--query Parameter.Value --output text",
                "Tells the host's WireGuard public key.",
            ),
            "put_secret": output(
                "aws ssm put-parameter --region ${var.region} --type SecureString --overwrite "
                "--name /${var.name}/secrets/NAME --value file://VALUE",
                "Stores a secret, which never comes into Terraform's state.",
            ),
            "deploy": output(
                "aws ssm start-associations-once --region ${var.region} "
                "--association-ids ${aws_ssm_association.deploy.association_id}",
                "Starts the stack anew with the secrets as they are now.",
            ),
            "shell": output(
                "aws ssm start-session --region ${var.region} --target ${aws_instance.host.id}",
                "A shell on the host.",
            ),
        }
    }
