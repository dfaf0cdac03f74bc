"""``bongsu schema``: the catalog's JSON Schema, for editors."""

import click

from bongsu.cli import say


@click.command(
    help=say(
        "Print the JSON Schema of the catalog, so that editors complete and check it while you type. "
        "Write it to a file, and begin bongsu.yaml with: # yaml-language-server: $schema=bongsu.schema.json",
        "카탈로그의 JSON Schema를 출력합니다. 편집기에서 자동 완성과 검사를 쓸 수 있습니다. 파일로 저장한 뒤 "
        "bongsu.yaml 첫 줄에 다음을 적으세요: # yaml-language-server: $schema=bongsu.schema.json",
    )
)
def schema() -> None:
    from bongsu.catalog.jsonschema import as_text

    click.echo(as_text().encode(), nl=False)
