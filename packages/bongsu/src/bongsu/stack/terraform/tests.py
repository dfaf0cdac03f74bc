"""Tests of the configuration for ``terraform test``; they ask AWS nothing."""

from bongsu.stack.files import HEADER

TESTS = """mock_provider "aws" {
  mock_data "aws_subnets" {
    defaults = {
      ids = ["subnet-0123456789abcdef0"]
    }
  }
  mock_data "aws_partition" {
    defaults = {
      partition = "aws"
    }
  }
}

run "only_wireguard_comes_in" {
  command = plan

  assert {
    condition     = aws_vpc_security_group_ingress_rule.wireguard.ip_protocol == "udp"
    error_message = "WireGuard speaks UDP."
  }
  assert {
    condition = alltrue([
      aws_vpc_security_group_ingress_rule.wireguard.from_port == 51820,
      aws_vpc_security_group_ingress_rule.wireguard.to_port == 51820,
    ])
    error_message = "No other port is open."
  }
}

run "disks_are_encrypted" {
  command = plan

  assert {
    condition     = aws_ebs_volume.data.encrypted && aws_instance.host.root_block_device[0].encrypted
    error_message = "Telemetry may be private."
  }
}

run "the_host_keeps_its_credentials" {
  command = plan

  assert {
    condition     = aws_instance.host.metadata_options[0].http_tokens == "required"
    error_message = "A request forged by a container could read the role's credentials."
  }
  assert {
    condition     = alltrue([for key, _ in aws_s3_object.stack : !endswith(key, ".env")])
    error_message = "Secrets come from the Parameter Store, not from a file."
  }
}

run "every_file_is_sent" {
  command = plan

  assert {
    condition     = contains(keys(aws_s3_object.stack), "compose.yaml")
    error_message = "The host has nothing to start."
  }
  assert {
    condition     = contains(keys(aws_s3_object.scripts), "deploy.sh")
    error_message = "The host cannot deploy."
  }
}
"""


def text() -> str:
    return HEADER + "\n" + TESTS
