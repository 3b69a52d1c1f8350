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
AS_TEXT = {'array': 'numbers with commas between, 1,0.5', 'object': 'names with their factors, relu1_1=1,relu2_1=0.5, or without'}


def scalar(value):
    """A value as YAML and JSON Schema have it, without exponents."""
    if isinstance(value, list):
        return f"[{', '.join(map(scalar, value))}]"
    if value == {}:
        return '{}'
    if isinstance(value, dict):
        return '{ ' + ', '.join(f'{name}: {scalar(each)}' for name, each in value.items()) + ' }'
    if isinstance(value, bool):
        return 'true' if value else 'false'
    if isinstance(value, str):
        return value if re.fullmatch(r'[a-z][a-z0-9_]*', value) and value not in ('true', 'false', 'null', 'yes', 'no', 'on', 'off') \
            else f"'{value}'"
    return format(Decimal(repr(value)).normalize(), 'f')


def text(sentence):
    return "'" + sentence.replace("'", "''") + "'" if ': ' in sentence or sentence[0] in '\'"&*!|>%@`[{#' else sentence


def is_grid(option):
    """Several values for each of some names."""
    return option['type'] == 'object' and 'enum' not in option


def described(option):
    return 'description: ' + text(option['help'] + (f" ({option['unit']})" if option['unit'] else ''))


def schema(option):
    if is_grid(option):
        yield 'type: object'
        yield 'additionalProperties: false'
        yield "patternProperties: { '^[a-z_]+$': { type: array, minItems: 1, items: { type: [number, boolean, string] } } }"
        yield f"default: {scalar(option['default'])}"
        yield described(option)
        return
    yield f"type: {option['type']}"
    if option['type'] in AS_TEXT:
        number = f"{{ type: number, minimum: {scalar(option['minimum'])}, maximum: {scalar(option['maximum'])} }}"
        if option['type'] == 'array':
            yield f"maxItems: {option['max_items']}"
            yield f'items: {number}'
        else:
            yield 'additionalProperties: false'
            yield f"patternProperties: {{ '^({'|'.join(option['enum'])})$': {number} }}"
    elif 'enum' in option:
        yield f"enum: [{', '.join(map(scalar, option['enum']))}]"
    for bound in ('minimum', 'maximum'):
        if bound in option and option['type'] not in AS_TEXT:
            yield f'{bound}: {scalar(option[bound])}'
    if 'max_length' in option:
        yield f"maxLength: {option['max_length']}"
    yield f"default: {scalar(option['default'])}"
    yield described(option)


def reference(option, in_form):
    """Where a job may have the option. A form has texts; JSON may also have the names alone."""
    name = option['name']
    ref = f"$ref: '#/components/schemas/Options/properties/{name}'"
    if in_form and option['type'] in AS_TEXT:
        words = 'names with their values, strength=0.2,0.8;pooling=max,avg' if is_grid(option) else AS_TEXT[option['type']]
        return f"        {name}: {{ type: string, description: '{words}' }}\n"
    if option['type'] == 'object' and not is_grid(option):
        names = f"type: array, items: {{ enum: [{', '.join(map(scalar, option['enum']))}] }}"
        return f'        {name}:\n          anyOf:\n            - {{ {ref} }}\n            - {{ {names} }}\n'
    return f'        {name}: {{ {ref} }}\n'


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
    in_json, in_form = (''.join(reference(o, form) for o in options) for form in (False, True))
    initial = next(p for p in presets['presets'] if p['name'] == 'gatys')['options']
    example = ''.join(f'                          {name}: {scalar(256 if name == "size" else value)}\n' for name, value in initial.items())
    head = document.index('\n    Options:\n')
    rest = replace(document[head:], '      properties:\n', '\n    Terms:', schemas)
    rest = replace(rest, '\n    JobOptions:\n      type: object\n      additionalProperties: false\n      properties:\n', '        priority:', in_json)
    rest = replace(rest, "        options: { $ref: '#/components/schemas/JobOptions' }\n", '        priority:', in_form)
    resolved = "      description: Every option, as the job runs with it\n      $ref: '#/components/schemas/Options'\n"
    rest = replace(rest, resolved, '\n    JobForm:', folded([o['name'] for o in options]))
    document = replace(document[:head], 'options: &options\n', '                        estimate:', example) + rest
    if '--print' in sys.argv[1:]:
        print(document, end='')
    else:
        FILE.write_text(document)


main()
