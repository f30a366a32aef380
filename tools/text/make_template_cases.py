#!/usr/bin/env python3
"""Renders tricky template snippets with the real Jinja2 and writes tests/text/template_cases.jsonl.

The environment is the one that transformers gives chat templates: immutable sandbox, trim_blocks, lstrip_blocks, loop
controls, generation blocks, its own tojson, raise_exception and strftime_now (the clock stands at 2024-07-26 15:04:05).
Needs Jinja2 3.1.6. Usage: make_template_cases.py > tests/text/template_cases.jsonl
"""
import copy
import datetime
import json
import re
import sys

import jinja2
import jinja2.ext
from jinja2.sandbox import ImmutableSandboxedEnvironment

CLOCK = datetime.datetime(2024, 7, 26, 15, 4, 5)


class Generation(jinja2.ext.Extension):
    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        call = self.call_method("_body")
        return jinja2.nodes.CallBlock(call, [], [], body).set_lineno(line)

    @staticmethod
    def _body(caller):
        return caller()


class Raised(jinja2.exceptions.TemplateError):
    pass


def raise_exception(message):
    raise Raised(message)


def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def environment():
    env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols])
    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = lambda f: CLOCK.strftime(f)
    return env


VARIABLES = {
    "name": "Ada", "empty": "", "zero": 0, "one": 1, "pi": 3.14159, "big": 1e22, "small": 1.5e-7, "neg": -7, "yes": True,
    "no": False, "nil": None, "words": ["b", "A", "c", "a"], "nums": [3, 1, 2], "nested": [[1, 2], [3, 4]],
    "people": [{"n": "x", "age": 3, "tags": ["p"]}, {"n": "Y", "age": 1, "tags": []}, {"n": "z", "age": 2}],
    "d": {"b": 1, "a": [1, {"k": None}], "items": "own", "é": "ü"},
    "uni": "héllo wörld \u4e2d\u6587 \U0001F600", "sp": "\u00a0\u2003 x y \u3000\u0085", "html": "<a href=\"x\">&'</a>",
    "lines": "one\ntwo\r\n\nfour\u2028five", "tree": [{"v": 1, "c": [{"v": 2, "c": [{"v": 3, "c": []}]}]}, {"v": 4, "c": []}],
}

CASES = r"""
{{ name }}|{{ zero }}|{{ pi }}|{{ big }}|{{ small }}|{{ yes }}|{{ nil }}|{{ undefined_thing }}|
{{ words }} {{ d }} {{ people }} {{ nested }}
{{ (1,) }} {{ () }} {{ (1, 'a') }} {{ 1, 2 }} {{ {} }} {{ [] }}
{{ 1e16 }} {{ 1e15 }} {{ 123456789012345678.0 }} {{ 0.0001 }} {{ 0.00001 }} {{ 1.0 }} {{ 100.0 }} {{ 1e-7 }} {{ -0.0 }} {{ 0.1 + 0.2 }}
{{ 1_000 }} {{ 0x1F }} {{ 0b101 }} {{ 0o17 }} {{ 1_0.5e1_0 }} {{ 2e3 }} {{ 5.0e-1 }}
{{ 7 // 2 }} {{ -7 // 2 }} {{ 7 // -2 }} {{ 7 % 3 }} {{ -7 % 3 }} {{ 7 % -3 }} {{ 7 / 2 }} {{ 4 / 2 }} {{ 2 ** 10 }} {{ 2 ** -1 }} {{ 2 ** 3 ** 2 }}
{{ 7.5 // 2 }} {{ -7.5 // 2 }} {{ -7.5 % 2 }} {{ 7.5 % -2 }} {{ 2 ** 0.5 }} {{ 0.0 // 1 }} {{ -1.0 % 1 }}
{{ -2 ** 2 }} {{ -3 | abs }} {{ 1 - -1 }} {{ +3 }} {{ - 3 + 1 }} {{ not 1 == 2 }} {{ not true and false }}
{{ 1 + true }} {{ true + true }} {{ 'ab' * 2 }} {{ 2 * 'ab' }} {{ 'a' * -1 }}| {{ [1] * 2 }} {{ (1, 2) + (3,) }} {{ [1] + [2] }}
{{ 'a' ~ 1 ~ none ~ 1.5 ~ undefined_thing ~ [1] }}
{{ 1 < 2 < 3 }} {{ 1 < 3 < 2 }} {{ 1 == 1.0 }} {{ true == 1 }} {{ 'a' < 'b' }} {{ [1, 2] < [1, 3] }} {{ 'a' == 1 }} {{ none == none }} {{ 1 != 2 }}
{{ 1 in [1.0] }} {{ 'a' in 'cat' }} {{ 'x' not in 'cat' }} {{ 'b' in d }} {{ 1 in d }} {{ '' in '' }} {{ 3 in range(5) }} {{ (1, 2) in [(1, 2)] }}
{{ [] or 'x' }} {{ 'a' or 'b' }} {{ 0 and 1 }} {{ 'a' and 'b' }} {{ not '' }} {{ none or 0 }} {{ '' or none }}
{{ 'a' if yes else 'b' }} {{ 'a' if no else 'b' }} {{ 'a' if no }}| {{ 1 if no else 2 if no else 3 }}
{{ words[0] }} {{ words[-1] }} {{ words[1:] }} {{ words[:-1] }} {{ words[::-1] }} {{ words[::2] }} {{ words[5:] }} {{ words[-100:2] }} {{ words[3:0:-1] }}
{{ name[0] }} {{ name[-1] }} {{ name[1:] }} {{ name[::-1] }} {{ uni[1] }} {{ uni[12:14] }} {{ uni[-1] }} {{ uni[::-1] }} {{ uni | length }} {{ uni[::3] }}
{{ words[10] }}|{{ words['x'] }}|{{ d.nothing }}|{{ d['nothing'] }}|{{ nil.x }}|{{ nil[0] }}|{{ name[99] }}|{{ zero.x }}|
{{ d.b }} {{ d['b'] }} {{ d.items is callable }} {{ d['items'] }} {{ d.get('x') }} {{ d.get('x', 5) }} {{ d.get('b') }} {{ d['é'] }} {{ d.é }}
{{ d.items() | list }} {{ d.keys() | list }} {{ d.values() | list }} {{ d.items() }} {{ d.keys() }} {{ d.values() }}
{{ nested[1][0] }} {{ nested.1.0 }} {{ people[0].n }} {{ people[0]['n'] }} {{ people.0.tags.0 }}
{{ undefined_thing.x }}
{{ undefined_thing['x'] }}
{{ undefined_thing() }}
{{ undefined_thing + 1 }}
{{ undefined_thing < 1 }}
{{ -undefined_thing }}
{{ people[9].n }}
{{ name.foo() }}
{{ none() }}
{{ 1 + 'a' }}
{{ 'a' + 1 }}
{{ [1] + (1,) }}
{{ 1 / 0 }}
{{ 1 % 0 }}
{{ 1.5 // 0 }}
{{ 1 < 'a' }}
{{ none < 1 }}
{{ 1 in 5 }}
{{ 1 in 'abc' }}
{{ [] in d }}
{{ {[]: 1} }}
{{ d[[]] }}|
{{ words[1.0] }}|{{ words[true] }}|{{ words[none] }}|
{{ words['0'] }}|{{ name['upper']() }}|{{ d['keys']() | list }}
{{ words[1.5:] }}
{{ undefined_thing[1:] }}
{{ nil[1:] }}
{{ d[1:] }}
{{ words[::0] }}
{{ undefined_thing == undefined_other }} {{ undefined_thing == none }} {{ undefined_thing != 1 }} {{ not undefined_thing }} {{ undefined_thing | length }} {{ undefined_thing | list }} {{ 1 in undefined_thing }} {{ undefined_thing in [1] }}
{{ undefined_thing is defined }} {{ undefined_thing is undefined }} {{ name is defined }} {{ d.x is defined }} {{ d.b is defined }} {{ undefined_thing is iterable }} {{ undefined_thing is sequence }} {{ undefined_thing is string }} {{ undefined_thing is mapping }} {{ undefined_thing is none }}
{% for v in [name, zero, pi, yes, nil, words, d, (1,), range(2), d.keys()] %}{{ v is string }} {{ v is number }} {{ v is integer }} {{ v is float }} {{ v is boolean }} {{ v is mapping }} {{ v is iterable }} {{ v is sequence }} {{ v is none }} {{ v is true }} {{ v is false }} {{ v is callable }};{% endfor %}
{{ 3 is odd }} {{ 4 is even }} {{ 9 is divisibleby 3 }} {{ 9 is divisibleby(2) }} {{ 'a' is in 'abc' }} {{ 1 is in [1] }} {{ 'abc' is lower }} {{ 'ABC' is upper }} {{ 'Abc' is lower }} {{ '1' is upper }} {{ 1 is eq 1 }} {{ 1 is equalto 2 }} {{ 1 is ne 2 }} {{ 1 is lt 2 }} {{ 2 is ge 2 }} {{ 1 is gt 0 }} {{ 1 is sameas 1 }} {{ true is sameas true }} {{ 1 is sameas true }} {{ none is sameas none }}
{{ 1 is not none }} {{ name is not string }} {{ name is string and zero is number }} {{ not name is string }} {{ 5 is not divisibleby 5 or true }}
{{ 'x' is defined if true else 1 }}
{{ ('x' is defined) if true else 1 }}
{{ range is callable }} {{ name.upper is callable }} {{ namespace is callable }} {{ raise_exception is defined }} {{ 'upper' is filter }} {{ 'nope' is filter }} {{ 'odd' is test }}
{{ 1 is foo }}
{% if false %}{{ 1 is foo }}{{ 1 | foo }}{% endif %}ok
{{ 1 | foo }}
{% for x in [] %}{{ x | foo }}{% endfor %}
{{ '  a b '.strip() }}|{{ '  a '.lstrip() }}|{{ '  a '.rstrip() }}|{{ 'xxaxx'.strip('x') }}|{{ 'abcba'.strip('ab') }}|{{ sp.strip() }}|{{ sp | trim }}|{{ 'éaé'.strip('é') }}|{{ 'x\n\n'.rstrip('\n') }}|
{{ 'a b  c'.split() }} {{ 'a b  c'.split(' ') }} {{ ' a b '.split(none, 1) }} {{ 'a,b,c'.split(',', 1) }} {{ 'a,b,c'.rsplit(',', 1) }} {{ '  a b c '.rsplit(none, 1) }} {{ ''.split() }} {{ ''.split(',') }} {{ sp.split() }} {{ 'a<b><b>c'.split('<b>') }} {{ 'a b c'.split(maxsplit=1) }}
{{ 'a'.split('') }}
{{ lines.splitlines() }} {{ lines.splitlines(true) }} {{ ''.splitlines() }} {{ 'a\n'.splitlines() }} {{ 'a\r\rb'.splitlines() }}
{{ 'abc'.startswith('ab') }} {{ 'abc'.startswith(('x', 'a')) }} {{ 'abc'.endswith('bc') }} {{ 'abc'.endswith(()) }} {{ 'abc'.startswith('b', 1) }} {{ 'abc'.endswith('b', 0, 2) }} {{ 'abc'.startswith('') }} {{ 'abc'.startswith('', 4) }}
{{ 'abc'.startswith(['a']) }}
{{ 'abc'.startswith(1) }}
{{ 'aXbXc'.replace('X', '-') }} {{ 'aXbXc'.replace('X', '-', 1) }} {{ 'abc'.replace('', '.') }} {{ 'abc'.replace('', '.', 2) }} {{ 'aaa'.replace('aa', 'b') }} {{ 'é'.replace('', '-') }}
{{ 'straße'.upper() }} {{ 'ÀÉ'.lower() }} {{ 'ΑΣ ΑΣΑ Σ'.lower() }} {{ 'ﬁx'.upper() }} {{ "they're bill's".title() }} {{ 'ß'.title() }} {{ 'éCOLE x'.capitalize() }} {{ 'aBc'.swapcase() }} {{ 'İ'.lower() | length }} {{ 'ǆ'.title() }}
{{ "they're bill's x-y (z)" | title }} {{ 'hELLO wORLD' | capitalize }} {{ 'a' | upper }} {{ 5 | upper }} {{ none | upper }} {{ 'ﬁne day' | title }}
{{ 'hello'.find('l') }} {{ 'hello'.rfind('l') }} {{ 'hello'.find('z') }} {{ 'hello'.index('e') }} {{ uni.find('w') }} {{ 'hello'.find('l', 3) }} {{ 'hello'.find('') }} {{ 'hello'.rfind('') }} {{ 'hello'.find('h', -3) }} {{ 'hello'.count('l') }} {{ 'aaa'.count('aa') }} {{ 'é1'.count('') }}
{{ 'hello'.index('z') }}
{{ ','.join(['a', 'b']) }} {{ ','.join('abc') }} {{ ''.join([]) }}| {{ '-'.join(d) }}
{{ ','.join([1]) }}
{{ '12'.isdigit() }} {{ '²'.isdigit() }} {{ '²'.isdecimal() }} {{ '½'.isnumeric() }} {{ ''.isdigit() }} {{ 'aé'.isalpha() }} {{ 'a1'.isalnum() }} {{ ' \t'.isspace() }} {{ 'AB'.isupper() }} {{ 'ab1'.islower() }} {{ 'Ab Cd'.istitle() }} {{ 'ab'.isascii() }} {{ 'a_1'.isidentifier() }} {{ '1a'.isidentifier() }} {{ 'a\n'.isprintable() }}
{{ 'prefix-x'.removeprefix('prefix-') }} {{ 'x.py'.removesuffix('.py') }} {{ 'x'.removesuffix('') }} {{ 'a-b-c'.partition('-') }} {{ 'a-b-c'.rpartition('-') }} {{ 'abc'.partition('-') }} {{ 'abc'.rpartition('-') }}
{{ 'ab'.ljust(5, '.') }} {{ 'ab'.rjust(5) }} {{ 'ab'.center(5, '*') }} {{ 'abc'.center(6, '*') }} {{ '-5'.zfill(4) }} {{ 'x'.zfill(3) }} {{ 'a\tb'.expandtabs(4) }} {{ 'ab' | center(6) }}|
{{ '{} {}'.format(1, 'a') }} {{ '{1} {0}'.format('x', 'y') }} {{ '{a}'.format(a=2) }} {{ '{:>5}|{:<5}|{:^5}|'.format('a', 'b', 'c') }} {{ '{:.2f} {:05d} {:+d} {:x} {:,} {:%}'.format(3.14159, 42, 5, 255, 1234567, 0.5) }} {{ '{{}}{!r}'.format('q') }} {{ '{0[a]} {0[b]}'.format({'a': 1, 'b': 2}) }} {{ '{:*^9}'.format('mid') }} {{ '{:8.3f}|{:e}|{:g}'.format(2.5, 12345.678, 0.0001) }}
{{ '{} {}'.format(1) }}
{{ '{'.format() }}
{{ '{:d}'.format('x') }}
{{ '%s %d %5.1f|%-5s|%05d|%x|%r|%%' % ('a', 3, 2.25, 'b', 42, 255, 'q') }} {{ '%s' % 'x' }} {{ '%s' % none }} {{ '%(a)s-%(b)d' % {'a': 1, 'b': 2} }} {{ '%s' % [1, 2] }} {{ '%c%c' % ('a', 98) }} {{ '%+d % d' % (3, 4) }} {{ '%#x %o %e %g' % (255, 8, 12345.678, 1e-5) }} {{ '%.3s' % 'abcdef' }} {{ '%*d' % (5, 3) }}
{{ '%s %s' % 'x' }}
{{ '%d' % 'x' }}
{{ '%s' % (1, 2) }}
{{ 'a' % 1 }}
{{ 'a' % range(3) }}{{ 'b' % [1] }}{{ 'c' % undefined_thing }}{{ '%s' % undefined_thing }}|
{{ [none, none] | sort }} {{ [[1, 2], [3, 4, 5, 6, 7]] | truncate(3) }}
{{ [none, 1] | sort }}
{{ range(5) | slice(0) | list }}
{{ '%s and %s' | format('a', 'b') }} {{ '%(x)s' | format(x=1) }}
{{ words | join }} {{ words | join(', ') }} {{ nums | join('-') }} {{ people | join(',', attribute='n') }} {{ 'abc' | join('.') }} {{ [1, none, 'x', 2.5] | join(' ') }}
{{ words | sort }} {{ words | sort(case_sensitive=true) }} {{ words | sort(reverse=true) }} {{ people | sort(attribute='age') | map(attribute='n') | list }} {{ people | sort(attribute='n') | map(attribute='n') | join }} {{ [(2, 'a'), (1, 'b')] | sort }} {{ [{'a': 1, 'b': 2}, {'a': 1, 'b': 1}] | sort(attribute='a,b') }}
{{ [1, 'a'] | sort }}
{{ [2, 2.0, 1, true] | sort }} {{ [1, 1.0, true, 'a', 'A'] | unique | list }} {{ ['a', 'A', 'b'] | unique(case_sensitive=true) | list }} {{ [] | max }}| {{ nums | max }} {{ nums | min }} {{ words | min }} {{ people | max(attribute='age') }}
{{ nums | sum }} {{ people | sum(attribute='age') }} {{ nums | sum(start=10) }} {{ ([0.1] * 3) | sum }}
{{ [0.1] * 3 | sum }}
{{ [0.5, 1] | sum }} {{ [[1], [2]] | sum(start=[]) }}
{{ nums | first }} {{ nums | last }} {{ [] | first }}| {{ 'abc' | last }} {{ d | first }} {{ nums | reverse | list }} {{ 'héj' | reverse }} {{ range(3) | reverse | list }}
{{ words | map('upper') | list }} {{ people | map(attribute='tags') | list }} {{ people | map(attribute='tags', default='-') | list }} {{ nested | map('first') | list }} {{ words | map('replace', 'a', 'X') | join }} {{ people[:2] | map(attribute='tags.0') | list }} {{ nums | map('string') | join('+') }} {{ none | map('upper') | list }}
{{ people | map(attribute='tags.0') | list }}
{{ nums | select('odd') | list }} {{ nums | reject('odd') | list }} {{ [0, 1, '', 'a', none] | select | list }} {{ people | selectattr('tags') | map(attribute='n') | list }} {{ people | selectattr('age', 'gt', 1) | map(attribute='n') | list }} {{ people | rejectattr('n', 'equalto', 'x') | map(attribute='n') | list }} {{ people | rejectattr('tags') | list | length }} {{ people | selectattr('tags', 'defined') | list | length }} {{ nums | select('in', [1, 2]) | list }} {{ nums | select('>=', 2) | list }}
{{ nums | select('odd') | length }}
{{ words | map | list }}
{{ nums | map('foo') | list }}
{% set g = nums | select('odd') %}{% for x in g %}{{ x }}{% endfor %}-{% for x in g %}{{ x }}{% endfor %}|
{% set g = nums | map('string') %}{{ '1' in g }} {{ g | list }}
{{ d | items | list }} {{ undefined_thing | items | list }} {{ {'b': 1, 'A': 2} | dictsort }} {{ {'b': 1, 'A': 2} | dictsort(true) }} {{ {'b': 1, 'A': 2} | dictsort(by='value', reverse=true) }}
{{ none | items | list }}
{{ range(7) | batch(3) | list }} {{ range(7) | batch(3, 'x') | list }} {{ range(7) | slice(3) | list }} {{ range(7) | slice(3, '-') | list }}
{% for k, g in people | groupby('age') %}{{ k }}:{{ g | map(attribute='n') | join }};{% endfor %}{% for x in [{'k': 'b'}, {'k': 'B'}, {'k': 'a'}] | groupby('k') %}{{ x.grouper }}={{ x.list | length }} {% endfor %}{{ [{'k': 1}] | groupby('k') }}
{{ 'a\nb\n\nc' | indent }}|{{ 'a\nb' | indent(2, true) }}|{{ 'a\n\nb' | indent('> ', blank=true) }}|{{ '' | indent }}|{{ 'a\n' | indent(1) }}|
{{ html | escape }} {{ html | e | e }} {{ html | safe }} {{ (html | e) ~ '<' }} {{ ('<' | e) + '<' }} {{ '<' + ('&' | e) }} {{ html | forceescape }} {{ ['<' | e] }}
{{ pi | round }} {{ pi | round(2) }} {{ 2.5 | round }} {{ 3.5 | round }} {{ 2.675 | round(2) }} {{ 5 | round }} {{ 1234 | round(-2) }} {{ 1250 | round(-2) }} {{ pi | round(1, 'ceil') }} {{ pi | round(1, 'floor') }} {{ 2.1 | round(method='ceil') }} {{ -2.5 | round }} {{ 1234.5 | round(-2) }}
{{ '42' | int }} {{ 'x' | int }} {{ 'x' | int(7) }} {{ '4.7' | int }} {{ 3.9 | int }} {{ -3.9 | int }} {{ ' 12 ' | int }} {{ '0x1f' | int(base=16) }} {{ 'ff' | int(0, 16) }} {{ none | int }} {{ [] | int(3) }} {{ true | int }} {{ '1_000' | int }} {{ '1e3' | int }} {{ '' | int }} {{ '0b11' | int(base=0) }}
{{ '4.5' | float }} {{ 'x' | float }} {{ 'x' | float(1) }} {{ 3 | float }} {{ '1e3' | float }} {{ 'inf' | float }} {{ none | float }} {{ ' 2 ' | float }} {{ '1_0.5' | float }} {{ 'nan' | float }}
{{ undefined_thing | int }}
{{ undefined_thing | default('x') }} {{ nil | default('x') }} {{ empty | default('x', true) }} {{ nil | d('x', true) }} {{ undefined_thing | default }}| {{ zero | default(5, boolean=true) }} {{ d.x | default(d.b) }}
{{ 'a b-c d' | wordcount }} {{ 'The quick brown fox' | truncate(10) }} {{ 'The quick brown fox' | truncate(10, true) }} {{ 'The quick brown fox' | truncate(12, leeway=0) }} {{ 'a b/c&é' | urlencode }} {{ {'a': 'b c', 'd': '/'} | urlencode }}
{{ d | tojson }} {{ people | tojson }} {{ html | tojson }} {{ uni | tojson }} {{ uni | tojson(ensure_ascii=true) }} {{ [1, 2.0, true, none, 1e22, 'a"\\\n\t\u0001\u007f'] | tojson }} {{ (1, 2) | tojson }} {{ {1: 2, none: 3, true: 4, 1.5: 6} | tojson }}
{{ d | tojson(indent=2) }} {{ [] | tojson(indent=2) }} {{ [[], {}, [1]] | tojson(indent=4) }} {{ d | tojson(separators=(',', ':')) }} {{ d | tojson(sort_keys=true) }} {{ {'a': [1]} | tojson(indent='--', separators=('; ', ' = ')) }} {{ [1] | tojson(indent=0) }}
{{ undefined_thing | tojson }}
{{ {'a': undefined_thing} | tojson }}
{{ range(3) | tojson }}
{{ d.keys() | tojson }}
{{ {(1, 2): 3} | tojson }}
{{ 'quote\'s' }} {{ ["it's", 'a"b', 'a\'b"c', 'tab\t', 'nl\n', 'é', '\u200b', '\x00', '\\', '\U0001F600', '\u00ad'] }}
{{ 'a\x41\u00e9\U0001F600\101\n\t\q\'\"' }} {{ "a" 'b' "c" }} {{ 'multi\
line' }}
{{ '\ud800' }}
{{ '\xg' }}
{{ range(3) }} {{ range(1, 4) | list }} {{ range(5, 0, -2) | list }} {{ range(0) | list }} {{ range(3)[1] }} {{ range(10)[2:5] }} {{ range(0, 10, 3) | length }} {{ range(3) == range(0, 3, 1) }} {{ range(10)[::-1] | list }}
{{ range(1, 2, 0) }}
{{ range('a') }}
{{ dict(a=1, b=2) }} {{ dict({'x': 1}, y=2) }} {{ dict([('a', 1), ['b', 2]]) }} {{ dict() }}
{% set ns = namespace(a=1) %}{% for i in range(3) %}{% set ns.a = ns.a + i %}{% endfor %}{{ ns.a }} {{ ns.b }}|{{ ns }} {{ ns['a'] }}|{% set ns.c = 'x' %}{{ ns.c }}
{% set ns = namespace({'q': 1}, r=2) %}{{ ns.q }}{{ ns.r }}{{ ns.items is defined }}
{% set d.x = 1 %}
{% set nothere.x = 1 %}
{% set a, b = 1, 2 %}{{ a }}{{ b }}{% set (x, y), z = [(3, 4), 5] %}{{ x }}{{ y }}{{ z }}
{% set a, b = [1] %}
{% set a = b = 1 %}
{% set x = 1, %}{{ x }}{% set y = 1, 2 %}{{ y }}
{% set x %}  block {{ name }}  {% endset %}[{{ x }}]{% set y | upper | trim %}  abc {% endset %}[{{ y }}]
{% set x = 1 %}{% for i in [1, 2] %}{% set x = x + i %}{{ x }}{% endfor %}{{ x }}
{% for i in [1, 2] %}{% if i == 1 %}{% set z = 'first' %}{% endif %}{{ z }}|{% endfor %}{{ z }}|
{% if yes %}{% set q = 5 %}{% endif %}{{ q }}{% with %}{% set q = 6 %}{{ q }}{% endwith %}{{ q }}
{% with a = 1, b = name %}{{ a }}{{ b }}{% endwith %}{{ a }}|{% set a = 9 %}{% with a = 1, b = a %}{{ a }}{{ b }}{% endwith %}
{% for x in nums %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }} {{ loop.previtem }}<{{ x }}>{{ loop.nextitem }};{% endfor %}
{% for x in nums if x > 1 %}{{ loop.index }}/{{ loop.length }}{{ loop.last }}:{{ x }};{% else %}none{% endfor %}{% for x in nums if x > 5 %}{{ x }}{% else %}none{% endfor %}
{% for x in nums | select('odd') %}{{ loop.length }}{{ loop.revindex }}{{ loop.last }}{{ x }};{% endfor %}
{% for x in [1, 1, 2, 2, 1] %}{{ loop.changed(x) }}{{ loop.cycle('a', 'b') }} {% endfor %}
{% for a, b in [(1, 2), [3, 4]] %}{{ a }}{{ b }}{% endfor %}{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}{% for a, (b, c) in [(1, (2, 3))] %}{{ a }}{{ b }}{{ c }}{% endfor %}{% for (a, b) in ['xy'] %}{{ b }}{{ a }}{% endfor %}
{% for a, b in [(1, 2, 3)] %}{% endfor %}
{% for a, b in [1] %}{% endfor %}
{% for x in none %}{% endfor %}
{% for x in 5 %}{% endfor %}
{% for x in undefined_thing %}a{% else %}empty{% endfor %}
{% for k in d %}{{ k }},{% endfor %}{% for c in 'hé!' %}{{ c }},{% endfor %}{% for x in () %}{% else %}e{% endfor %}
{% for x in range(10) %}{% if x == 2 %}{% continue %}{% endif %}{% if x == 5 %}{% break %}{% endif %}{{ x }}{% endfor %}
{% for x in [1] %}{% break %}{% else %}else after break{% endfor %}{% for x in [1, 2] %}{% continue %}{% else %}else after continue{% endfor %}{% for x in [1, 2] %}{% if x == 2 %}{% break %}{% endif %}{% else %}no else{% endfor %}
{% break %}
{% for x in [1] %}{% macro m() %}{% break %}{% endmacro %}{% endfor %}
{% for x in [1, 2] %}{% for y in [3, 4] %}{{ loop.index }}{% endfor %}{{ loop.index }}{% set outer = loop %}{% for z in [5] %}{{ outer.index }}{% endfor %};{% endfor %}
{% for n in tree recursive %}{{ loop.depth }}{{ loop.depth0 }}:{{ n.v }}[{{ loop(n.c) }}]{% endfor %}
{% for n in tree %}{{ loop(n.c) }}{% endfor %}
{% set ns = namespace(stop=false) %}{% for x in range(6) if not ns.stop %}{{ x }}{% if x == 2 %}{% set ns.stop = true %}{% endif %}{% endfor %}
{% for loop in [1] %}{{ loop }}{% endfor %}
{% for x in [1] %}{% set loop = 2 %}{% endfor %}
{{ loop }}|{{ loop is defined }}
{% for x in words %}{{ x }}{% if not loop.last %}, {% endif %}{% endfor %}
{% macro m(a, b=2, c=a) %}{{ a }}-{{ b }}-{{ c }}{% endmacro %}{{ m(1) }} {{ m(1, 3) }} {{ m(b=5, a=0) }} {{ m('x', c='z') }} {{ m() }}|
{% macro m(a) %}{{ a }}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, 3, x=4) }} {{ m() }} {{ m(*[7, 8], **{'k': 9}) }}
{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, 2) }}
{% macro m(a) %}{{ a }}{% endmacro %}{{ m(b=2) }}
{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, a=2) }}
{% macro m(a) %}{{ a is defined }}{{ a }}{% endmacro %}{{ m() }}{{ m.name }}{{ m }}
{% macro fact(n) %}{% if n <= 1 %}1{% else %}{{ n }}*{{ fact(n - 1) }}{% endif %}{% endmacro %}{{ fact(5) }}
{% set v = 'before' %}{% macro m() %}{{ v }}{% set v = 'inner' %}{{ v }}{% endmacro %}{% set v = 'after' %}{{ m() }}{{ v }}
{% macro m() %}{{ later }}{% endmacro %}{% set later = 'L' %}{{ m() }}{% for i in [1] %}{% set later = 'in loop' %}{{ m() }}{% endfor %}
{% for i in [1, 2] %}{% macro m() %}{{ i }}{% endmacro %}{{ m() }}{% endfor %}
{% macro outer() %}<{{ caller() }}>{% endmacro %}{% call outer() %}body {{ name }}{% endcall %}
{% macro each(xs) %}{% for x in xs %}{{ caller(x, loop.index) }};{% endfor %}{% endmacro %}{% call(x, i) each(words) %}{{ i }}={{ x }}{% endcall %}
{% macro m() %}x{% endmacro %}{% call m() %}y{% endcall %}
{% macro m() %}{{ caller is defined }}{% if caller %}{{ caller() }}{% endif %}{% endmacro %}{{ m() }}{% call m() %}c{% endcall %}
{% macro m() %}{{ caller() }}{% endmacro %}{{ m() }}
{% macro m(a, b=1, c) %}{% endmacro %}
{% macro render(x) %}{% if x is mapping %}{{ '{' }}{% for k, v in x.items() %}{{ k }}:{{ render(v) }}{% if not loop.last %},{% endif %}{% endfor %}{{ '}' }}{% elif x is iterable and x is not string %}[{% for y in x %}{{ render(y) }} {% endfor %}]{% else %}{{ x }}{% endif %}{% endmacro %}{{ render(d) }}
{% filter upper %}abc {{ name }}{% endfilter %} {% filter replace('a', 'b') | upper %}aXa{% endfilter %}
{% generation %}text {{ name }}{% set q = 1 %}{% endgeneration %}{{ q }}|
{% for x in [1, 2] %}{% generation %}{{ x }}{{ loop.index }}{% endgeneration %}{% endfor %}
{% block b %}in block {{ name }}{% endblock %} {% block c %}{% endblock c %}
{% set v = 1 %}{% for x in [5] %}{% block b %}{{ v }}{{ x }}{% endblock %}{% endfor %}|
{% set v = 1 %}{% for x in [5] %}{% block b scoped %}{{ v }}{{ x }}{% endblock %}{% endfor %}|
{% raw %}{{ not }} {% rendered %}{% endraw %}|{%- raw -%}  {{ x }}  {%- endraw -%}  |
{# comment #}a{#- x -#}  b {#+ keep +#} c{# multi\
line #}\
d
{% if yes %}\
  a\
{% endif %}\
b\
  {% if yes %}\
  c\
  {%- endif %}\
d\
 {{ name }} \
x   {% if yes %}y{% endif %}   z\
  {%+ if yes %}p{% endif %}\
{% if yes +%}\
q\
{% endif %}\
  {{- name -}}  \
 end {%- if yes -%}  r  {%- endif -%}  s\
	{% set a = 1 %}	\
 t
{{ name }}\
{{ name }}\

{{ {'a': {'b': 1}}['a']['b'] }}{{ {'a': {}} }}
{{ '%}' }}{{ "}}" }}{% set x = '%}' %}{{ x }}
{% if 1 %}{% elif 2 %}b{% else %}c{% endif %}{% if 0 %}a{% elif 0 %}b{% else %}c{% endif %}{% if 0 %}{% elif 5 %}e{% endif %}
{% if (1, 2) %}t{% endif %}{% if 0 %}{% else %}f{% endif %}{% if nums and not empty %}n{% endif %}
{% if %}{% endif %}
{% if 1 %}\
{% endif %}
{% foo %}
{% endfor %}
{{ 1 2 }}
{{ }}
{{ 1 + }}
{{ (1 }}
{{ 1) }}
{{ [1, 2 }}
{{ a.1b }}
{{ 'abc }}
{{ name
{% if name
{# open
{% raw %} open
{{ a ? b }}
{{ a.b. }}
{{ f(a=1, 2) }}
{{ f(a=1, a=2) }}
{{ 1 is odd is even }}
{% set 1 = 2 %}
{% set none = 2 %}
{% for x in [1] %}{% else %}{% else %}{% endfor %}
{% do 1 %}
{% include 'x' %}
{% if false %}{% include 'x' %}{% endif %}fine
{% print name, 1 %}
{% autoescape false %}{{ html }}{% endautoescape %}
{{ words.append('x') }}
{% set _ = words.append('x') %}
{{ d.update({'x': 1}) }}
{{ d.pop('b') }}
{{ words.append is defined }} {{ d.update is defined }} {{ words.sort }}| {{ d.copy() == d }} {{ words.index('c') }} {{ words.count('a') }} {{ (1, 2, 1).count(1) }} {{ words.copy() }}
{{ words.index('zzz') }}
{{ name.__class__ }}|{{ name.__class__ is defined }}|
{{ name.__class__.__mro__ }}
{{ raise_exception('stop: ' + name) }}
{{ raise_exception('ünï "x" %s') }}
{% if no %}{{ raise_exception('never') }}{% endif %}ok
{{ strftime_now('%Y-%m-%d %H:%M:%S %d %b %Y %A %B %j %p %I %y %%') }} {{ strftime_now('') }}|
{% set c = cycler('a', 'b') %}{{ c.next() }}{{ c.next() }}{{ c.next() }}{{ c.current }}{{ c.reset() }}{{ c.next() }} {% set j = joiner('; ') %}{% for x in nums %}{{ j() }}{{ x }}{% endfor %}
{{ name | attr('upper') is callable }} {{ d | attr('b') }}| {{ d | attr('keys') is callable }}
{{ ('a', 'b')[0] }} {{ [1, 2, 3][1] }} {{ {'x': 1}.x }} {{ 'abc'.upper().lower()[1] }} {{ (1 + 2) * 3 }} {{ 'a' 'b' | upper }}
{{ 1 if 2 > 1 }} {{ (nil or d).b }} {{ [1, 2,] }} {{ {'a': 1,} }} {{ (1, ) }} {{ dict(a=1,) }}
{{ 'a' in words and 'z' not in words }} {{ not ('a' in words) }} {{ 'x' ~ 'y' in 'xyz' }} {{ 1 + 1 ~ 2 }} {{ 2 * 3 ~ 4 + 1 }}
{{ words | length > 3 }} {{ words | length + 1 }} {{ -words | length }}
{{ -3 | string }} {{ 1.5 | string | length }} {{ 'x' | string is string }} {{ 3 | string ~ 'a' }} {{ 'abc' | list }} {{ d | list }} {{ {'a': 1} | length }} {{ none | string }}
{{ none | length }}
{{ 5 | length }}
{{ none | list }}
{{ none | join }}
{{ none | trim }} {{ 5 | trim }} {{ 'xxa' | trim('x') }} {{ none | lower }} {{ undefined_thing | trim }}| {{ undefined_thing | upper }}| {{ undefined_thing | join }}|
{{ 'aXa' | replace('a', 'b') }} {{ 'aaa' | replace('a', 'b', 2) }} {{ 5 | replace(5, 6) }} {{ none | replace('None', 'x') }}
{{ name | upper | lower | title | reverse }} {{ name | default('x') | upper }}
{{ true | string }} {{ True }} {{ None }} {{ False }} {{ true is true }} {{ 1 is true }}
{{ -9223372036854775807 - 1 }} {{ 9223372036854775807 }} {{ 3 * 1.5 }} {{ 10 // 3.0 }} {{ 1e3 | int }}
{{ [1, [2, [3, {'a': (4,)}]]] }} {{ [none, true, 1.0] }} {{ {'a': none, 1: 2, (1, 2): [3]} }}
{{ [1, 2] == [1, 2.0] }} {{ (1,) == [1] }} {{ {'a': 1, 'b': 2} == {'b': 2, 'a': 1} }} {{ 'a' != 'b' }} {{ [] == false }} {{ 0 == false }} {{ '' == false }}
{% set x = 5 %}{% set x = x + 1 %}{{ x }}{% set y = undefined_thing %}{{ y is defined }}
{%- set messages = [{'role': 'user', 'content': 'hi'}] -%}{% for m in messages %}{{ m['role'] ~ ': ' ~ m['content'] }}{% endfor %}{{ messages[-1]['role'] != 'assistant' }}
{% for m in messages if m.role == 'user' %}{{ m.content }}{{ loop.first }}{% endfor %}{{ messages | length }}{{ messages[1:] | length }}{{ tools is defined }}{{ tools is none }}{{ documents is none }}{{ add_generation_prompt }}
{% for m in messages[::-1] %}{% set index = (messages | length - 1) - loop.index0 %}{{ index }}{{ m.role[0] }}{% endfor %}
{{ messages[0] is mapping }} {{ messages[0].content is string }} {{ 'content' in messages[0] }} {{ messages[0].tool_calls is defined and messages[0].tool_calls }} {{ messages | map(attribute='role') | join('/') }} {{ messages | selectattr('role', 'ne', 'user') | map(attribute='content') | first }}
{{ messages[0].content.split('</think>')[-1].lstrip('\n') }} {{ messages[1].content.split('</think>')[0].rstrip('\n').split('<think>')[-1].lstrip('\n') }}
{{ 'x' | indent(width=2, first=true) }} {{ [3, 1] | sort | first }} {{ 'b,a' | replace(',', '') | list | sort | join }}
{{ lipsum is defined }} {{ cycler is defined }} {{ range is defined }} {{ dict is mapping }}
{{ '😀é'[0] }}{{ '😀é'[1] }}{{ '😀é' | length }}{{ '😀é'.find('é') }}
{{ 1.0 | int }} {{ 1.9 // 1 }} {{ 7 // 2.0 }} {{ 1e100 }} {{ 1.7976931348623157e308 * 10 }} {{ 5e-324 }} {{ 123456.789e3 }} {{ 0.1 * 3 }} {{ 1 / 3 }} {{ 2 / 3 * 100 }}
{{ 'a' if undefined_thing else 'b' }} {{ undefined_thing or 'c' }} {{ undefined_thing and 'c' }}| {{ (undefined_thing or {}).x }}|
{{ 'é' < 'f' }} {{ 'Z' < 'a' }} {{ '' < 'a' }} {{ 'a' <= 'a' }} {{ '10' < '9' }} {{ (1, 'a') < (1, 'b') }} {{ true < 2 }} {{ 1.5 >= 1 }}
"""


def split_cases():
    """One case a line; a line that ends with a backslash goes on in the next."""
    for case in re.split(r"(?<!\\)\n", CASES[1:-1]):
        yield case.replace("\\\n", "\n")


EXTRA = [
    "", "\n", "\n\n", "a\n", "a\n\n", "\r\n a \r b\r\n", "{{ name }}\n", "{{ name }}\r\n\r\n", "{% if yes %}\r\n  x\r\n{% endif %}\r\ny",
    "  {% if yes %}a{% endif %}\n  {% if no %}{% endif %}\n", "x {#- c -#} y\n\n{#- z #}\n\n", "{% raw %}\n{{ x }}\n{% endraw %}\n\nz",
    "  {% raw %}  a\n  {% endraw %}b", "\u00a0\n \u00a0{% if yes %}nbsp{% endif %}", "a\u2028{%- if yes %} b{% endif -%}\u3000\u0085c",
    "{{ 'a\r\nb' }}", "{%if yes%}tight{%endif%}{{name}}", "{%\n  if yes\n%}multi\n{%-\nendif\n-%}\n x", "{{\n name\n }}", "{{name|upper}}{{-1}}",
    "a{{- 1 -}}\n\n\nb", "{% for x in nums -%}\n  {{ x }}\n{%- endfor %}", "{% for x in nums %}\n  {{ x }}\n{% endfor %}",
    "{{ 'tab\there' }}\t{% if yes %}\t{% endif %}\t", "{ { } } {% if yes %}{%endif%} % } # {{ '{{' }} {{ '{%' }} {", "{{ '\\N{DASH}' if false }}x",
    "{% set x = 1 %}{#\n#}\n{# a #} {# b #}\nend",
]

MESSAGES = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "<think>\nhm\n</think>\n\nhello"}]


def render(env, source):
    try:
        values = dict(copy.deepcopy(VARIABLES), messages=copy.deepcopy(MESSAGES), tools=None, documents=None, add_generation_prompt=False)
        text = env.from_string(source).render(**values)
        text.encode()  # a lone surrogate cannot leave the program
        return {"text": text}
    except Exception as e:  # noqa: BLE001: any failure of the reference is the expected result
        return {"error": {"type": type(e).__name__, "message": str(e), "raised_by_template": isinstance(e, Raised)}}


def main():
    env = environment()
    print(json.dumps({"variables": VARIABLES, "messages": MESSAGES}, ensure_ascii=False))
    for source in [*split_cases(), *EXTRA]:
        print(json.dumps({"template": source, **render(env, source)}, ensure_ascii=False))


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8", newline="\n")
    main()
