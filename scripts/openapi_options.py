#!/usr/bin/env python3
"""Brings the options in openapi.yaml up to date with those of a server that runs with its default settings:

    curl -s http://127.0.0.1:8080/v1/presets | scripts/openapi_options.py

With --print the file stays as it is, and what it would become is printed. Only what is said of options is changed: their schemas, where a form or a job has them, and the example of the presets.
"""
import json
import pathlib
import re
import sys
from decimal import Decimal

FILE = pathlib.Path(__file__).resolve().parent.parent / 'openapi.yaml'
SCALARS = ('integer', 'number', 'boolean', 'string')


def scalar(value):
    """A value as YAML and JSON Schema have it, without exponents."""
    if value == {}:
        return '{}'
    if isinstance(value, bool):
        return 'true' if value else 'false'
    if isinstance(value, str):
        return value if re.fullmatch(r'[a-z][a-z0-9_]*', value) and value not in ('true', 'false', 'null', 'yes', 'no', 'on', 'off') \
            else f"'{value}'"
    return format(Decimal(repr(value)).normalize(), 'f')


def text(sentence):
    return "'" + sentence.replace("'", "''") + "'" if ': ' in sentence or sentence[0] in '\'"&*!|>%@`[{#' else sentence


def described(option):
    return 'description: ' + text(option['help'] + (f" ({option['unit']})" if option['unit'] else ''))


def schema(option):
    if option['type'] == 'object' and 'enum' not in option:  # several values for each of some names
        yield 'type: object'
        yield 'additionalProperties: false'
        yield "patternProperties: { '^[a-z_]+$': { type: array, minItems: 1, items: { type: [number, boolean, string] } } }"
        yield f"default: {scalar(option['default'])}"
        yield described(option)
        return
    if option['type'] not in SCALARS:
        sys.exit(f"{option['name']}: a schema for the type {option['type']} is to be written by hand")
    yield f"type: {option['type']}"
    if 'enum' in option:
        yield f"enum: [{', '.join(map(scalar, option['enum']))}]"
    for bound in ('minimum', 'maximum'):
        if bound in option:
            yield f'{bound}: {scalar(option[bound])}'
    if 'max_length' in option:
        yield f"maxLength: {option['max_length']}"
    yield f"default: {scalar(option['default'])}"
    yield described(option)


def field(option):
    """A form has text where JSON has lists and objects."""
    if option['type'] in SCALARS:
        return f"{{ $ref: '#/components/schemas/Options/properties/{option['name']}' }}"
    return "{ type: string, description: 'as the option of this name in text, such as name=value,value;name=value' }"


def folded(names):
    """`required` of the resolved options, in lines that are not too long."""
    lines, line = [], '      required: ['
    for i, name in enumerate(names):
        piece = name + (', ' if i + 1 < len(names) else ']')
        if len((line + piece).rstrip()) > 120:
            lines.append(line.rstrip())
            line = '        '
        line += piece
    return '\n'.join(lines + [line]) + '\n'


def replace(document, begin, end, middle):
    """What stands between two texts, each found once from the first on."""
    start = document.index(begin) + len(begin)
    return document[:start] + middle + document[document.index(end, start):]


def main():
    presets = json.load(sys.stdin)
    options = presets['options']
    document = FILE.read_text()
    schemas = ''.join(f"        {o['name']}:\n" + ''.join(f'          {line}\n' for line in schema(o)) for o in options)
    references = ''.join(f"        {o['name']}: {{ $ref: '#/components/schemas/Options/properties/{o['name']}' }}\n" for o in options)
    fields = ''.join(f"        {o['name']}: {field(o)}\n" for o in options)
    initial = next(p for p in presets['presets'] if p['name'] == 'gatys')['options']
    example = ''.join(f'                          {name}: {scalar(256 if name == "size" else value)}\n' for name, value in initial.items())
    head = document.index('\n    Options:\n')
    rest = replace(document[head:], '      properties:\n', '\n    Terms:', schemas)
    rest = replace(rest, '\n    JobOptions:\n      type: object\n      additionalProperties: false\n      properties:\n', '        priority:', references)
    rest = replace(rest, "        options: { $ref: '#/components/schemas/JobOptions' }\n", '        priority:', fields)
    resolved = "      description: Every option, as the job runs with it\n      $ref: '#/components/schemas/Options'\n"
    rest = replace(rest, resolved, '\n    JobForm:', folded([o['name'] for o in options]))
    document = replace(document[:head], 'options: &options\n', '                        estimate:', example) + rest
    if '--print' in sys.argv[1:]:
        print(document, end='')
    else:
        FILE.write_text(document)


main()
