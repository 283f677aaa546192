#!/usr/bin/env python3
"""Writes tests/golden_template.h: chat templates, talks, and the texts that jinja2 makes of them when
it is set up as Hugging Face's apply_chat_template does. Needs: pip install jinja2. Deterministic.

Usage: tools/golden_template.py > tests/golden_template.h
       tools/golden_template.py --random N [SEED]     N random templates, compared with onebit.h"""
import copy
import json
import os
import random
import subprocess
import sys
import tempfile

import jinja2
import jinja2.ext
from jinja2 import nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment


class Generation(jinja2.ext.Extension):
    """{% generation %}: marks what the model wrote; a scope, and nothing else."""
    tags = {'generation'}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(['name:endgeneration'], drop_needle=True)
        return nodes.CallBlock(self.call_method('_text'), [], [], body).set_lineno(line)

    def _text(self, caller):
        return caller()


def refuse(message):
    raise jinja2.exceptions.TemplateError(message)


def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators,
                      sort_keys=sort_keys)


def environment():
    env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True,
                                        extensions=[Generation, 'jinja2.ext.loopcontrols'])
    env.filters['tojson'] = tojson
    env.globals['raise_exception'] = refuse
    return env


ENV = environment()


def say(*turns):
    return [{'role': role, 'content': content} for role, content in turns]


TALKS = [
    say(('user', 'Hi')),
    say(('system', ' Be kind. '), ('user', 'Who keeps\nthe lamp? '), ('assistant', ' The keeper. '),
        ('user', 'caf\u00e9 \u65e5\u672c \U0001F600 "<x>" it\'s')),
    say(('user', 'What is 6 * 7?'), ('assistant', '<think>\nsix sevens\n</think>\n\n42'),
        ('user', 'And 7 * 7?'), ('assistant', '<think>\n\n</think>\n\n49')),
    [],
]
BOS, EOS = '<s>', '</s>'


def render(template, talk, prompt):
    messages = copy.deepcopy(TALKS[talk])  # the filter indent changes a list in place
    return ENV.from_string(template).render(messages=messages, tools=None, documents=None, bos_token=BOS,
                                            eos_token=EOS, add_generation_prompt=bool(prompt))


# ---- whole templates, written in the manner of well-known families ----

FAMILIES = {
    'chatml': """\
{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}{% endfor %}
{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}""",
    'llama2': """\
{%- if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{% set system_message = messages[0]['content'] %}
{%- else %}{% set loop_messages = messages %}{% set system_message = false %}{% endif %}
{%- for message in loop_messages -%}
    {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) -%}
        {{ raise_exception('Roles must alternate user/assistant/user/assistant/...') }}
    {%- endif -%}
    {%- if loop.index0 == 0 and system_message != false -%}
        {%- set content = '<<SYS>>\\n' + system_message + '\\n<</SYS>>\\n\\n' + message['content'] -%}
    {%- else -%}{%- set content = message['content'] -%}{%- endif -%}
    {%- if message['role'] == 'user' -%}{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}
    {%- elif message['role'] == 'assistant' -%}{{ ' ' + content.strip() + ' ' + eos_token }}{%- endif -%}
{%- endfor -%}""",
    'llama3': """\
{%- if custom_tools is defined %}{% set tools = custom_tools %}{% endif -%}
{%- if not date_string is defined %}
    {%- if strftime_now is defined %}
        {%- set date_string = strftime_now("%d %b %Y") %}
    {%- else %}
        {%- set date_string = "26 Jul 2024" %}
    {%- endif %}
{%- endif %}
{%- if not tools is defined %}
    {%- set tools = none %}
{%- endif %}
{#- The system message comes first. #}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}
{{- bos_token }}
{{- "<|start_header_id|>system<|end_header_id|>\\n\\n" }}
{%- if tools is not none %}{{ "Environment: ipython\\n" }}{% endif %}
{{- "Today Date: " + date_string + "\\n\\n" }}
{{- system_message }}
{{- "<|eot_id|>" }}
{%- for message in messages %}
    {%- if not (message.role == 'ipython' or message.role == 'tool' or 'tool_calls' in message) %}
        {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'+ message['content'] | trim + '<|eot_id|>' }}
    {%- elif 'tool_calls' in message %}
        {{- raise_exception("No tools here") }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif %}
""",
    'zephyr': """\
{% for message in messages %}
{% if message['role'] == 'user' %}
{{ '<|user|>\\n' + message['content'] + eos_token }}
{% elif message['role'] == 'system' %}
{{ '<|system|>\\n' + message['content'] + eos_token }}
{% elif message['role'] == 'assistant' %}
{{ '<|assistant|>\\n'  + message['content'] + eos_token }}
{% endif %}
{% if loop.last and add_generation_prompt %}
{{ '<|assistant|>' }}
{% endif %}
{% endfor %}""",
    'gemma': """\
{{ bos_token }}{% for message in messages %}{% if message['role'] == 'system' %}{% continue %}{% endif %}{% if (message['role'] == 'assistant') %}{% set role = 'model' %}{% else %}{% set role = message['role'] %}{% endif %}{{ '<start_of_turn>' + role + '\\n' + message['content'] | trim + '<end_of_turn>\\n' }}{% endfor %}{% if add_generation_prompt %}{{'<start_of_turn>model\\n'}}{% endif %}""",
    'mistral': """\
{%- if messages and messages[0]["role"] == "system" %}
    {%- set system_message = messages[0]["content"] %}
    {%- set loop_messages = messages[1:] %}
{%- else %}
    {%- set loop_messages = messages %}
{%- endif %}
{%- set ns = namespace() %}
{%- set ns.index = 0 %}
{%- for message in loop_messages %}
    {%- if not (message.role == "tool" or message.role == "tool_results" or (message.tool_calls is defined and message.tool_calls is not none)) %}
        {%- if (message["role"] == "user") != (ns.index % 2 == 0) %}
            {{- raise_exception("After the optional system message, conversation roles must alternate") }}
        {%- endif %}
        {%- set ns.index = ns.index + 1 %}
    {%- endif %}
{%- endfor %}
{{- bos_token }}
{%- for message in loop_messages %}
    {%- if message["role"] == "user" %}
        {%- if loop.last and system_message is defined %}
            {{- "[INST] " + system_message + "\\n\\n" + message["content"] + "[/INST]" }}
        {%- else %}
            {{- "[INST] " + message["content"] + "[/INST]" }}
        {%- endif %}
    {%- elif message["role"] == "assistant" %}
        {{- " " + message["content"]|trim + eos_token}}
    {%- else %}
        {{- raise_exception("Only user and assistant roles are supported, with the exception of an initial optional system message!") }}
    {%- endif %}
{%- endfor %}""",
    'phi': """\
{% for message in messages %}{% if message['role'] == 'system' and message['content'] %}{{'<|system|>
' + message['content'] + '<|end|>
'}}{% elif message['role'] == 'user' %}{{'<|user|>
' + message['content'] + '<|end|>
'}}{% elif message['role'] == 'assistant' %}{{'<|assistant|>
' + message['content'] + '<|end|>
'}}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>
' }}{% else %}{{ eos_token }}{% endif %}""",
    'falcon': """\
{% for message in messages %}{% if not loop.first %}{{ '\\n\\n' }}{% endif %}{{ message['role'] | capitalize }}: {{ message['content'].strip().replace('\\r\\n', '\\n').replace('\\n\\n', '\\n') }}{% endfor %}{% if add_generation_prompt %}{{ '\\n\\nAssistant:' }}{% endif %}""",
    'qwen2': """\
{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\\nYou are a helpful assistant.<|im_end|>\\n' }}{% endif %}{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}""",
    'qwen3': """\
{%- if tools %}
    {{- '<|im_start|>system\\n' }}
    {%- for tool in tools %}
        {{- "\\n" }}
        {{- tool | tojson }}
    {%- endfor %}
{%- else %}
    {%- if messages[0].role == 'system' %}
        {{- '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}
    {%- endif %}
{%- endif %}
{%- set ns = namespace(multi_step_tool=true, last_query_index=messages|length - 1) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if ns.multi_step_tool and message.role == "user" and message.content is string and not(message.content.startswith('<tool_response>') and message.content.endswith('</tool_response>')) %}
        {%- set ns.multi_step_tool = false %}
        {%- set ns.last_query_index = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- if message.content is string %}
        {%- set content = message.content %}
    {%- else %}
        {%- set content = '' %}
    {%- endif %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) %}
        {{- '<|im_start|>' + message.role + '\\n' + content + '<|im_end|>' + '\\n' }}
    {%- elif message.role == "assistant" %}
        {%- set reasoning_content = '' %}
        {%- if message.reasoning_content is string %}
            {%- set reasoning_content = message.reasoning_content %}
        {%- else %}
            {%- if '</think>' in content %}
                {%- set reasoning_content = content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}
                {%- set content = content.split('</think>')[-1].lstrip('\\n') %}
            {%- endif %}
        {%- endif %}
        {%- if loop.index0 > ns.last_query_index %}
            {%- if loop.last or (not loop.last and reasoning_content) %}
                {{- '<|im_start|>' + message.role + '\\n<think>\\n' + reasoning_content.strip('\\n') + '\\n</think>\\n\\n' + content.lstrip('\\n') }}
            {%- else %}
                {{- '<|im_start|>' + message.role + '\\n' + content }}
            {%- endif %}
        {%- else %}
            {{- '<|im_start|>' + message.role + '\\n' + content }}
        {%- endif %}
        {{- '<|im_end|>\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\\n\\n</think>\\n\\n' }}
    {%- endif %}
{%- endif %}""",
    'bitnet': """\
{% for message in messages %}{% if loop.first %}{{ bos_token }}{% endif %}{{ message['role'] | capitalize + ': ' + message['content'] | trim + '<|eot_id|>' }}{% endfor %}{% if add_generation_prompt %}{{ 'Assistant: ' }}{% endif %}""",
    'deepseek': """\
{% if not add_generation_prompt is defined %}{% set add_generation_prompt = false %}{% endif %}{% set ns = namespace(is_first=false, is_tool=false, system_prompt='') %}{%- for message in messages %}{%- if message['role'] == 'system' %}{% set ns.system_prompt = message['content'] %}{%- endif %}{%- endfor %}{{ bos_token }}{{ ns.system_prompt }}{%- for message in messages %}{%- if message['role'] == 'user' %}{%- set ns.is_tool = false -%}{{ '<\uff5cUser\uff5c>' + message['content'] }}{%- endif %}{%- if message['role'] == 'assistant' and message['content'] is not none %}{% set content = message['content'] %}{% if '</think>' in content %}{% set content = content.split('</think>')[-1] %}{% endif %}{{ '<\uff5cAssistant\uff5c>' + content + eos_token }}{%- endif %}{%- endfor -%}{% if add_generation_prompt and not ns.is_tool %}{{ '<\uff5cAssistant\uff5c>' }}{% endif %}""",
    'macros': """\
{%- macro turn(role, text, end='<|end|>') %}
<|{{ role }}|>{{ text | trim }}{{ end }}
{% endmacro %}
{%- for message in messages %}
{%- if message.role == 'assistant' %}{% generation %}{{ turn('bot', message.content, end=eos_token) }}{% endgeneration %}
{%- else %}{{ turn(message.role, text=message.content) }}{% endif %}
{%- endfor %}
{%- if add_generation_prompt %}<|bot|>{% endif %}
""",
}

# ---- one construct each ----

EXPRESSIONS = r"""
1 + 2 * 3
2 ** 3 ** 2
-2 ** 2
- 3 | string is string, -1.5 | string
7 // 2, -7 // 2, 7 // -2, 7 % 3, -7 % 3, 7 % -3
7 / 2, 6 / 3, 1 / 3, 2 ** -1, 2 ** 0.5
7.5 // 2, -7.5 % 2, 1e3, 1.5e-7, 1e16, 123456789012345678.0, 0.1 + 0.2, 1e22, 5e-324, 100.0
1e300 * 1e10, -1e300 * 1e10, 1.0 // 0.3
'a' ~ 1 ~ none ~ true ~ 1.0 ~ [1] ~ (1,) ~ {}
'a' * 3 + 'b', 2 * 'xy', [1] * 3, (1, 2) * 2, 'a' * -1
[1, 'a', "it's", 'say "x"', 'both \' and "', none, true, 1.5, (1,), (), {'a': 1, 2: [3]}]
'\n\t\\\'\"\x41\u00e9\u65e5\U0001F600\101 \q \
end'
['\n\t\r\\\x00\x1f\x7f\x80\xad\u200b\u2028\u3000\ue000\U0001F600', 'é日']
"two " 'strings' " in a\n" "row"
1 < 2 < 3, 1 < 2 > 3, 1 == 1.0 == true, 'a' < 'b' <= 'b', 3 >= 3 > 2 != 1
1 in [1, 2], 'b' in 'abc', '' in 'abc', 'x' not in 'abc', 'a' in {'a': 1}, 3 not in (1, 2), 1 in range(3)
not 1 == 2, not true and false, not (true and false), true or false and false
1 if true else 2, 1 if false else 2, (1 if false) is defined, 'x' if none
0 or 'a' or 'b', 1 and 'a', 0 and 'a', '' or [] or {}
[[], {}, '', 0, 0.0, none, false, (), [0], ' '] | map('string') | list
[1, 2, 3][0], [1, 2, 3][-1], [1, 2, 3][5] is defined, 'abc'[1], 'abc'[-1], 'abc'[7] is defined, 'é日'[1]
[1, 2, 3][1:], [1, 2, 3][:-1], [1, 2, 3][::-1], [1, 2, 3, 4, 5][1:4:2], [1, 2, 3][-2:], [1, 2, 3][5:], (1, 2, 3)[::2]
'abcdef'[1:3], 'abcdef'[::-1], 'aé日😀x'[::-1], 'aé日😀x'[1:4], 'aé日😀x'[::2], 'abcdef'[4:1:-2], 'abcdef'[-3:-1], 'abc'[:0], 'abc'[9:], 'abc'[-9:2]
range(5)[1:3] | list, range(3) | list, range(2, 8, 3) | list, range(5, 0, -2) | list, range(0) | list
{'a': 1}.a, {'a': 1}['a'], {'a': 1}.b is defined, {'items': 5}['items'], {'a': {'b': 2}}.a.b, [[1, 2], 3].0.1
{'a': 1, 'b': 2} == {'b': 2, 'a': 1}, [1, [2]] == [1, [2]], [1] == (1,), (1, 2) < (1, 3), [1, 2] < [1, 2, 3], none == none, x == y, x == none
{'a': 1, 'a': 2, 1: 3, true: 4}
[1,], (1,), {'a': 1,}, [], (), {}, (1), ((1, 2), [3, 4])
x is defined, x is undefined, none is defined, none is none, x is none, x is not none, 1 is not none
'a' is string, 1 is string, {} is mapping, [] is mapping, x is mapping, 1 is number, true is number, '1' is number
1 is integer, true is integer, 1.0 is integer, 1.0 is float, true is boolean, 1 is boolean, true is true, 1 is true, false is false, 0 is false, 0.5 is odd, 0.5 is even
[] is iterable, 'a' is iterable, 1 is iterable, x is iterable, {} is iterable, none is iterable, [] is sequence, 'a' is sequence, 5 is sequence, {} is sequence, {}.items() is sequence, range(2) is sequence
3 is odd, 4 is even, 3 is even, 9 is divisibleby 3, 9 is divisibleby(2), 1 is eq 1, 1 is equalto(2), 'a' is ne 'b', 1 is lt 2, 2 is ge 2, 1 is in [1, 2]
1 is eq 1 and 2 is eq 2, 3 is not odd, not 3 is odd, range is callable, x is callable
'  a b '|trim, '..a.'|trim('.'), ' a '|upper, 'AbC'|lower, 'hELLO wORLD'|capitalize, "they're here-now (ok) [x] <y> {z}"|title
'hELLO they\'re x2y'.title(), 'hELLO wORLD'.capitalize(), 'aB'.upper(), 'aB'.lower(), '日本 abc'|upper
'abc'|length, 'é日😀'|length, [1, 2]|count, {'a': 1}|length, x|length, range(4)|length
x|default('d'), x|d('d'), ''|default('d'), ''|default('d', true), none|default('d'), 0|d(1, boolean=true), x|default
[1, 2, 3]|join, ['a', 'b']|join(', '), [1, none, 'x']|join('-'), 'abc'|join('.'), [{'a': 1}, {'a': 2}]|join('+', attribute='a'), {'k': 1, 'l': 2}|join(',')
[1, 2]|first, [1, 2]|last, []|first is defined, 'abc'|first, 'abc'|last, {'a': 1}|first
{'a': [1, 2.5, none, true, 'x"\\\n\u00e9\x01/<>&\'']}|tojson, []|tojson, {}|tojson, 'é'|tojson, (1, 2)|tojson, {1: 2, none: 3, true: 4, 1.5: 5}|tojson
{'a': [1, {'b': []}], 'c': {}}|tojson(indent=2)
{'a': [1, {'b': []}], 'c': {}}|tojson(indent=4), [1]|tojson(ensure_ascii=false), [[]]|tojson(indent=0)
[1e400, -1e400, 1.0, 1e-9, 123456789.125]|tojson
1|string ~ 'a', '12'|int, ' -7 '|int, '3.9'|int, 'x'|int, 'x'|int(5), 3.9|int, true|int, none|int(-1), ''|int, '1e3'|int, '007'|int
'1.5'|float, 'x'|float, 2|float, 'x'|float(1.5), '  2 '|float, '-0'|int
'abc'|list, {'a': 1}|list, (1, 2)|list, range(3)|list, x|list
'aXbXc'|replace('X', '-'), 'aaa'|replace('a', 'b', 2), 'abc'.replace('', '-'), 'é日'.replace('', '.'), 'abc'.replace('b', ''), 'aaa'.replace('aa', 'b'), 'abc'.replace('', '-', 2), 12|replace('1', 'x')
'<a>'|safe|length, {'a': 1, 'b': 2}|items|list, x|items|list, {'b': 1, 'A': 2, 'c': 0}|dictsort, {'b': 1, 'A': 2}|dictsort(true), {'b': 1, 'A': 2}|dictsort(by='value', reverse=true)
[{'a': 1}, {'a': 2}, {}]|map(attribute='a')|list|length, [{'a': {'b': [5]}}]|map(attribute='a.b.0')|list, ['a', 'b']|map('upper')|list, [{}]|map(attribute='x', default=3)|list, ['aXb']|map('replace', 'X', '-')|join
[1, 0, 2, none]|select|list, [1, 2, 3, 4]|select('odd')|list, [1, 2, 3]|reject('odd')|list, [1, 2, 3]|select('gt', 1)|list, [[], [1]]|reject|list
messages|selectattr('role', 'equalto', 'system')|list|length, messages|rejectattr('role', '==', 'system')|map(attribute='role')|join(','), messages|selectattr('content')|list|length, messages|selectattr('tool', 'defined')|list
[1, 2, 3]|reverse|list, 'abc'|reverse, [3, 1, 2]|sort, ['b', 'A', 'c']|sort, ['b', 'A', 'c']|sort(true), ['b', 'A']|sort(case_sensitive=true), [{'n': 2}, {'n': 1}]|sort(attribute='n'), [1, 1, 2, 1]|unique|list, ['a', 'A', 'b']|unique|join
'a\nb\n\nc'|indent, 'a\nb'|indent(2, true), 'a\n\nb'|indent(2, blank=true), 'a\nb'|indent('> ', first=true), ''|indent, ''|indent(2, true), 'a\n'|indent, 'a\r\nb\rc\x0bd'|indent(1)
'  a '.strip() ~ '|', '  a '.lstrip() ~ '|', '  a '.rstrip() ~ '|', 'xxaxx'.strip('x'), 'abcba'.lstrip('ab'), 'é日é'.strip('é'), '\u3000a\x1c'.strip()
'a,b,c'.split(','), 'a,b,c'.split(',', 1), 'a,b,c'.rsplit(',', 1), ' a  b '.split(), ' a  b c '.split(none, 1), 'abc'.split('x'), ''.split(','), ''.split(), 'aaa'.rsplit('aa'), 'a b'.rsplit()
'abc'.startswith('ab'), 'abc'.endswith('bc'), 'abc'.startswith(('x', 'a')), 'abc'.endswith(''), ''.startswith('a'), 'abc'.startswith(())
', '.join(['a', 'b']), ''.join([]), '-'.join('abc'), 'abcabc'.find('c'), 'abc'.find('x'), 'é日x'.find('x'), 'abcabc'.count('bc'), 'aaa'.count('aa'), 'abc'.count(''), 'abc'.index('b'), 'abc'.removeprefix('a'), 'abc'.removesuffix('x')
{'a': 1}.get('a'), {'a': 1}.get('b'), {'a': 1}.get('b', 2), {'a': 1}.items()|list, {'a': 1}.keys()|list, {'a': 1}.values()|list, {'a': 1}.items()|length
[1, 2, 1].count(1), [1, 2].index(2), (1, 2).index(1)
dict(a=1, b='x'), dict({'a': 1}, b=2), namespace(a=1).a, namespace({'a': 2}).a
'a' if messages|selectattr('role', 'equalto', 'nobody') else 'b'
messages[0].content, messages[0]['role'], messages[-1]['role'], messages|length, messages[0].name is defined, messages[0]
bos_token, eos_token, add_generation_prompt, tools, documents is none, unk_token is defined, unk_token
x, [x], x ~ 'a', x|join, x|trim, x|string, (x or 'd'), x in [x], 1 in x
1.0, 1.50, 12345678.9, 1e15, 1e17, 0.0001, 0.00001, 3.0e8, 1E5
true, True, none, None, false, False
+1, -1, - -1, +-1, -1.5, -true, 5 - -2
(1, 2) + (3,), [1] + [2], 'a' + 'b', true + true, 1 + 1.5
{'}}': '%}', 'a': '}}'}['}}']
9223372036854775807, -9223372036854775807 - 1, 4611686018427387904 * -2, 3 ** 39, (-2) ** 63, 0 ** 0, (-1) ** 101
'a' not in 'b' and 1, 1 if 'a' in 'b' else 2 if 0 else 3
"%s" | replace("%s", "x"), ('a' , 'b')[1], 'x'.strip().upper()[0].lower()
"""

TEMPLATES = [
    'plain text', '', '\n', 'a\n', 'a\n\n', 'a\r\nb\rc\r\n', '{', '{ {', 'a{b}c {x', '}} %} #}',
    'a {# comment #} b', 'a {#- c -#} b', 'a\n  {# c #}\nb', 'a\n  {#+ c +#}\nb', '{# {{ x }} {% if %} #}!',
    '{#-#}x', '{##}x', ' {#- - -#} x', 'a {#- c +#}\n b',
    '  {% if true %}\n  x\n  {% endif %}\n  y', '  {%+ if true %}\n  x\n  {%+ endif +%}\n  y',
    'a  {%- if true -%}\n\n  x  {%- endif -%}  \n b', 'a  {{- 1 -}}  \n b', ' {{ 1 }}\n {{+ 2 }}\n\n{{-3}}',
    'x\n\n   {% set a = 1 %}   \n y', '\u3000{%- set a = 1 -%}\u3000x', 'a\n\t \x0c{% set a = 1 %}b', '\x0b{% set a = 1 %}b',
    '{{ 1 }}  {% set a = 1 %}  b', '{% set a = 1 %}  {% set a = 1 %}  b', '{% set a = 1 %}\n  {% set a = 1 %}\n  b',
    '{# c #}  {% set a = 1 -%}\n  {% set a = 1 %}\n\nb\n\n', '{%- set a = 1 -%}\n  {% set a = 1 %}\n\nb', '{%set a=1%}{{a}}{%-set b=a-%}{{b}}',
    '{{ 1\n+\n2 }}', '{{ "a\nb" }}', '{{ "a\r\nb" }}', '{{ {"a": {"b": 1}}["a"]}}', '{{ {"a": {"b": {}}} }}', "{{ '}}' }}{{ '%}' }}{{ '{{' }}",
    '{% for x in [1, 2, 3] %}{{ x }}{% endfor %}', '{% for x in [] %}a{% else %}none{% endfor %}', '{% for x in nothing %}a{% else %}none{% endfor %}',
    '{% for x in [1, 2, 3] %}a{% else %}none{% endfor %}', '{% for x in range(6) if x % 2 %}{{ loop.index }}{{ x }}{{ loop.length }} {% else %}no{% endfor %}',
    '{% for x in range(6) if x > 9 %}{{ x }}{% else %}no{% endfor %}',
    '{% for x in "ab" %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.previtem is defined }}{{ loop.nextitem is defined }}{{ loop.nextitem }}\n{% endfor %}',
    '{% for k, v in {"a": 1, "b": 2}.items() %}{{ k }}={{ v }};{% endfor %}', '{% for (k, v) in {"a": 1}|items %}{{ k }}={{ v }};{% endfor %}',
    '{% for k, v in {"b": 1, "a": 2}|dictsort %}{{ k }}={{ v }};{% endfor %}', '{% for k in {"a": 1} %}{{ k }}{% endfor %}', '{% for x in 1, 2 %}{{ x }}{% endfor %}',
    '{% for x in [1, 2, 3, 4] %}{% if x == 2 %}{% continue %}{% endif %}{% if x == 4 %}{% break %}{% endif %}{{ x }}{% endfor %}!',
    '{% for x in [1, 2] %}{% for y in [1, 2, 3] %}{% if y == 2 %}{% break %}{% endif %}{{ x }}{{ y }}{{ loop.index }} {% endfor %}{{ loop.index }};{% endfor %}',
    '{% set x = 1 %}{% for i in [1, 2] %}{{ x }}{% set x = x + 1 %}{{ x }} {% endfor %}{{ x }}', '{% set x = 1 %}{% if true %}{% set x = 2 %}{% endif %}{{ x }}',
    '{% for i in [1] %}{% set y = 5 %}{% endfor %}{{ y is defined }}', '{% set ns = namespace(n=0) %}{% for i in range(5) %}{% set ns.n = ns.n + i %}{% endfor %}{{ ns.n }}',
    '{% set ns = namespace() %}{% set ns.a = [1] %}{% set ns.b = ns.a + [2] %}{{ ns.b }}{{ ns.c is defined }}', '{% set a, b = 1, 2 %}{{ a }}{{ b }}', '{% set (a, b) = [3, 4] %}{{ a }}{{ b }}', '{% set x = 1, 2 %}{{ x }}',
    '{% set x %}a{{ 1 }}b{% endset %}[{{ x }}]{{ x is string }}', '{% set x | upper | replace("A", "-") %} abc {% endset %}[{{ x }}]', '{% set x %}{% for i in [1, 2] %}{{ i }}{% endfor %}{% endset %}{{ x }}', '{% set x = 5 %}{% set y %}{% set x = 6 %}{{ x }}{% endset %}{{ y }}{{ x }}',
    '{% if 0 %}a{% elif 1 %}b{% else %}c{% endif %}', '{% if 0 %}a{% elif "" %}b{% else %}c{% endif %}', '{% if 0 %}a{% elif 1 %}b{% elif 1 %}d{% endif %}', '{% if 1 %}{% if 0 %}a{% else %}b{% endif %}{% else %}c{% endif %}', '{% if 0 %}a{% endif %}',
    '{% if 1, %}a{% endif %}', '{% if not nothing %}a{% endif %}', '{% if messages | selectattr("role", "equalto", "nobody") %}a{% endif %}', '{% if messages | selectattr("role", "equalto", "nobody") | list %}a{% else %}b{% endif %}',
    '{% macro m(a, b=2, c=a) %}{{ a }}{{ b }}{{ c }};{% endmacro %}{{ m(1) }}{{ m(1, 3) }}{{ m(b=5, a=4) }}{{ m() }}{{ m(1, c=9) }}', '{% macro m() %}x{% endmacro %}{{ m() | upper ~ m() }}{{ m is defined }}',
    '{% macro f(n) %}{% if n %}{{ n }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(5) }}', '{% set g = 1 %}{% macro m() %}{{ g }}{{ h }}{% endmacro %}{% set h = 2 %}{{ m() }}{% for g in [7] %}{{ m() }}{% endfor %}', '{% macro m(x) %}{% set x = x + 1 %}{{ x }}{% endmacro %}{% set x = 5 %}{{ m(1) }}{{ x }}',
    '{% macro m(l) -%}\n  {% for x in l -%} {{ x }} {%- if not loop.last %}, {% endif %}{%- endfor %}\n{%- endmacro %}[{{ m([1, 2, 3]) }}]',
    'a{% generation %}b{{ 1 }}{% endgeneration %}c', '{% for m in messages %}{% generation %}{{ loop.index }}{{ m.role }}{% endgeneration %}{% endfor %}',
    '{% set g = [1, 2] | map("string") %}{{ g | list }}{{ g | list }}', '{% set g = [1, 2, 3] | select %}{{ g | first }}{{ g | first }}{{ g | join }}', '{% set g = [1, 2, 3] | map("string") %}{% for x in g %}{{ x }}{{ loop.length }}{% endfor %}{% for x in g %}no{% else %}empty{% endfor %}',
    '{% for m in messages %}{{ loop.previtem.role if loop.previtem is defined else "-" }}>{{ m.role }} {% endfor %}', '{% for message in messages if message.role != "system" %}{{ loop.index0 }}{{ message.role }}{{ loop.last }} {% endfor %}',
    '{% for m in messages[::-1] %}{{ m.role[0] }}{% endfor %}', '{{ messages | map(attribute="content") | join("|") }}', '{{ messages | map(attribute="content") | map("trim") | map("length") | list }}', '{% for m in messages %}{{ m | tojson }}\n{% endfor %}', '{{ messages | tojson(indent=2) }}',
    '{{ strftime_now is defined }}{% if strftime_now is defined %}{{ strftime_now("%d") }}{% endif %}', '{% if tools %}{{ tools | nothing }}{% endif %}x', '{% set tools = tools or [] %}{{ tools }}', '{% for x in [3] %}{% endfor %}{{ loop is defined }}',
    '{% for loop_messages in [1] %}{{ loop_messages }}{% endfor %}', '{{ (messages | last).role }}', '{% for a in [1, 2] %}{% for b in [1, 2] %}{% endfor %}{{ loop.index }}{% endfor %}', '{% for i in [1,2] %}{% if loop.first %}{% set y = 1 %}{% endif %}{{ y }},{% endfor %}',
    '{% set x = "a" %}{% for i in [1, 2] %}{% if i == 2 %}{% set x = "b" %}{% endif %}{{ x }}{% endfor %}', '{{ (x.y is defined) if x is defined else "no" }}', "{{ '\u65e5\u672c' }}\u00e9{{ '\\u00e9' }}", '{{ "" }}{{ none }}{{ nothing }}',
]

# ---- what fails: template, status, words of our message ----

FAILURES = [
    ('{{ 1 | xmlattr }}', 'UNSUPPORTED', "line 1: filter 'xmlattr'"), ('a\nb\n{{ 1 | e }}', 'UNSUPPORTED', "line 3: filter 'e'"),
    ('{{ [1] | batch(2) }}', 'UNSUPPORTED', "filter 'batch'"), ('{% include "x" %}', 'UNSUPPORTED', "tag 'include'"), ('\n\n{% raw %}{% endraw %}', 'UNSUPPORTED', "line 3: tag 'raw'"),
    ('{{ 1 is sameas 1 }}', 'UNSUPPORTED', "test 'sameas'"), ('{{ "a".format(1) }}', 'UNSUPPORTED', "method 'format'"), ('{{ [].append(1) }}', 'UNSUPPORTED', "method 'append'"),
    ('{{ "%s" % 1 }}', 'UNSUPPORTED', 'formatted'), ('{{ cycler(1) }}', 'UNSUPPORTED', "function 'cycler'"), ('{% for x in [1] recursive %}{% endfor %}', 'UNSUPPORTED', 'recursive'),
    ('{% for x in [1] %}{{ loop.cycle(1) }}{% endfor %}', 'UNSUPPORTED', 'loop.cycle'), ('{{ f(*a) }}', 'UNSUPPORTED', 'arguments with *'), ('{{ 0x10 }}', 'UNSUPPORTED', "'0x'"), ('{{ 1_000 }}', 'UNSUPPORTED', "'1_'"),
    ('{{ 9223372036854775807 + 1 }}', 'UNSUPPORTED', '64 bits'), ('{{ 99999999999999999999 }}', 'UNSUPPORTED', '64 bits'), ('{{ "\u00e9" | upper }}', 'UNSUPPORTED', 'U+00e9'), ('{{ 2 ** 64 }}', 'UNSUPPORTED', '64 bits'),
    ('{{ "a" | tojson(sort_keys=true) }}', 'UNSUPPORTED', "'tojson' with these"), ('{{ "a".strip(1) }}', 'FORMAT', "'chars' must be a string"), ('{{ strftime_now("%d") }}', 'FORMAT', "'strftime_now' is undefined"),
    ('{{ x.y }}', 'FORMAT', "'x' is undefined"), ('{{ x + 1 }}', 'FORMAT', "'x' is undefined"), ('{{ 1 + "a" }}', 'FORMAT', "an integer and a string"), ('{{ "a" < 1 }}', 'FORMAT', 'order'), ('{{ 1 / 0 }}', 'FORMAT', 'zero'), ('{{ 1 % 0 }}', 'FORMAT', 'zero'),
    ('{{ none + "a" }}', 'FORMAT', 'none and a string'), ('{{ 1 in "a" }}', 'FORMAT', 'in a string'), ('{% for x in 5 %}{% endfor %}', 'FORMAT', 'gone through'), ('{{ 5 | length }}', 'FORMAT', 'no length'), ('{{ {[1]: 2} }}', 'FORMAT', 'a key'), ('{{ [1, 2][::0] }}', 'FORMAT', 'step 0'),
    ('{{ x | tojson }}', 'FORMAT', 'JSON'), ('{% set x.y = 1 %}', 'FORMAT', "'x' is no namespace"), ('{% for a, b in [1] %}{% endfor %}', 'FORMAT', 'gone through'), ('{% set a, b = [1] %}', 'FORMAT', '1 values for 2 names'), ('{{ "a"() }}', 'FORMAT', 'called'), ('{{ "" .join([1]) }}', 'FORMAT', 'wants strings'),
    ('{% if 1 %}', 'FORMAT', "no 'endif'"), ('\n{% for x in y %}\n{% if 1 %}{% endif %}', 'FORMAT', "line 2: the block has no 'endfor'"), ('{% endif %}', 'FORMAT', "'endif'"), ('{% else %}', 'FORMAT', "'else'"), ('{% if 1 %}{% endfor %}', 'FORMAT', "'endfor'"), ('{% if 1 %}{% else %}{% else %}{% endif %}', 'FORMAT', "'else'"),
    ('{% for x in y %}{% elif 1 %}{% endfor %}', 'FORMAT', "'elif'"), ('{% break %}', 'FORMAT', 'outside a loop'), ('{% for x in y %}{% macro m() %}{% break %}{% endmacro %}{% endfor %}', 'FORMAT', 'outside a loop'), ('{% for x in y %}{% else %}{% break %}{% endfor %}', 'FORMAT', 'outside a loop'),
    ('{{', 'FORMAT', 'does not end'), ('{{ 1', 'FORMAT', 'does not end'), ('{{ "a', 'FORMAT', 'string does not end'), ('{# a', 'FORMAT', 'comment does not end'), ('{% if', 'FORMAT', 'does not end'), ('{{ }}', 'FORMAT', 'an expression'), ('{{ 1 + }}', 'FORMAT', 'an expression'), ('{{ (1 }}', 'FORMAT', ''), ('{{ 1 2 }}', 'FORMAT', 'the end of the tag'),
    ('{{ a b }}', 'FORMAT', 'the end of the tag'), ('{% set 1 = 2 %}', 'FORMAT', 'a name'), ('{% set true = 2 %}', 'FORMAT', 'another name'), ('{{ 1 ; }}', 'FORMAT', 'character 59'), ('{{ a ! b }}', 'FORMAT', 'character 33'), ('{{ 007 }}', 'FORMAT', 'zero'), ('{{ a. }}', 'FORMAT', 'a name'), ('{{ f(a=1, 2) }}', 'FORMAT', 'named'), ('{{ "\\xZZ" }}', 'FORMAT', 'escape'),
    ('{% set a, b %}{% endset %}', 'FORMAT', "'='"), ('{% set a b %}{% endset %}', 'FORMAT', "'='"), ('{{ "%" % x }}', 'UNSUPPORTED', 'formatted'),
    ('{{ raise_exception("no " ~ messages[0].role) }}', 'USAGE', 'the chat template refuses: no user'), ('{% macro m(a) %}{% endmacro %}{{ m(1, 2) }}', 'UNSUPPORTED', "'m' with these"), ('{{ range(1000000000) }}', 'UNSUPPORTED', 'range'),
    ('{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}', 'UNSUPPORTED', 'deeper'), ('{{ range(3) }}', 'UNSUPPORTED', 'a range as text'), ('{{ [1] | map("upper") }}', 'UNSUPPORTED', 'generator as text'), ('{{ 1 is eq }}', 'FORMAT', 'without an argument'), ('{% %}', 'FORMAT', 'a name'), ('{% set x %}', 'FORMAT', "no 'endset'"), ('{{ 1 if }}', 'FORMAT', 'an expression'),
]


# ---- writing ----

def c_string(text):
    """A C literal in pieces of a line each. Octal escapes have three digits, so nothing follows them."""
    out, line = [], ''
    for b in text.encode():
        piece = chr(b) if 32 <= b < 127 and b not in b'"\\?' else '\\%03o' % b
        if b == 10:
            piece = '\\n'
        line += piece
        if len(line) > 86:
            out.append(line)
            line = ''
    return '\n     '.join('"%s"' % s for s in out + ([line] if line or not out else []))


def rows():
    for template in ['{{ %s }}' % e for e in expressions()] + TEMPLATES:
        yield template, 1, 0
    for name, template in FAMILIES.items():
        for talk in (0, 1, 2):
            for prompt in (0, 1):
                yield template, talk, prompt


def expressions():
    """Lines; one that ends in a backslash goes on."""
    return [e.replace('\0', '\\\n') for e in EXPRESSIONS.strip().replace('\\\n', '\0').split('\n')]


def header():
    print('/* golden_template.h - made by tools/golden_template.py with jinja2 %s. */\n' % jinja2.__version__)
    print('#define TEMPLATE_BOS "%s"\n#define TEMPLATE_EOS "%s"\n' % (BOS, EOS))
    for i, talk in enumerate(TALKS):
        if talk:
            print('static const onebit_message template_talk_%d[] = {' % i)
            for m in talk:
                print('    {"%s",\n     %s, %d},' % (m['role'], c_string(m['content']), len(m['content'].encode())))
            print('};')
    print('\ntypedef struct template_talk {\n    const onebit_message *messages;\n    size_t count;\n} template_talk;\n')
    print('static const template_talk template_talks[] = {\n    %s};\n' % ',\n    '.join(
        '{%s, %d}' % ('template_talk_%d' % i if t else 'NULL', len(t)) for i, t in enumerate(TALKS)))
    print('typedef struct template_row {\n    const char *text;\n    int talk, prompt;\n'
          '    const char *expected; /* NULL = the template refuses this talk */\n} template_row;\n')
    known = {}
    for name, template in FAMILIES.items():
        known[template] = 'template_' + name
        print('static const char template_%s[] =\n    %s;\n' % (name, c_string(template)))
    print('static const template_row template_rows[] = {')
    for template, talk, prompt in rows():
        try:
            text = c_string(render(template, talk, prompt))
        except jinja2.exceptions.TemplateError as e:
            if template not in known:
                sys.stderr.write("%r: %s\n" % (template, e)); continue
            text = 'NULL'
        except Exception as e:
            sys.stderr.write("%r: %r\n" % (template, e)); continue
        print('    {%s, %d, %d,\n     %s},' % (known.get(template) or c_string(template), talk, prompt, text))
    print('};\n\ntypedef struct template_failure {\n    const char *text;\n    onebit_status status;\n    const char *words;\n'
          '} template_failure;\n\nstatic const template_failure template_failures[] = {')
    for template, status, words in FAILURES:
        print('    {%s, ONEBIT_%s, "%s"},' % (c_string(template), status, words))
    print('};')


# ---- random templates, compared with onebit.h ----

DRIVER = r"""
#define ONEBIT_IMPLEMENTATION
#include "%s/onebit.h"
#include "%s/tests/golden_template.h"
/* Reads "length LF template", writes "status length LF text or message". */
int main(void) {
    size_t n, bytes;
    static char text[1 << 16], out[1 << 20];
    onebit_chat_options o = {TEMPLATE_BOS, TEMPLATE_EOS, 0};
    onebit_env env = onebit_env_default();
    while (scanf("%%zu", &n) == 1 && getchar() == 10 && n < sizeof text && fread(text, 1, n, stdin) == n) {
        int status;
        text[n] = 0;
        status = (int)onebit_chat_render(out, sizeof out, &bytes, text, template_talks[1].messages,
                                         template_talks[1].count, &o, &env);
        if (status) bytes = strlen(onebit_error_text()), memcpy(out, onebit_error_text(), bytes);
        printf("%%d %%zu\n", status, bytes);
        fwrite(out, 1, bytes, stdout);
        fflush(stdout);
    }
    return 0;
}
"""

ATOMS = ['0', '1', '2', '-3', '7', '1.5', '0.1', '-2.0', '1e16', '1e-7', "''", "'abc'", "'aXbXc'", "' a b '", "'\u00e9\u65e5x'",
         '"it\'s"', "'a\\nb'", "'12'", "'3.7'", "'\U0001F600'", 'true', 'false', 'none', 'undef', 'messages', 'messages[0]', 'messages[1].content', '[]', '()',
         '{}', '[1, 2, 3]', "['b', 'A', 'c']", "('x', 1)", "{'a': 1, 'b': [2]}", "{'k': none}", '[[1, 2], [3]]', "[{'n': 2}, {'n': 1}]",
         'range(4)', 'x', 'y', 'bos_token', 'tools', 'add_generation_prompt', '[1, 1.0, true]']
FILTERS = ['trim', 'upper', 'lower', 'capitalize', 'title', 'length', 'count', "default('d')", "d('e', true)", 'join', "join('-')", 'first',
           'last', 'tojson', 'tojson(indent=2)', 'string', 'int', 'int(9)', 'float', 'list', "replace('X', 'yy')", "replace('', '.')",
           "replace('a', 'b', 1)", 'items', 'dictsort', "map('string')", "map('upper')", "map(attribute='n')", "map(attribute='role')", 'select',
           'reject', "selectattr('role')", "selectattr('n', 'gt', 1)", "rejectattr('n', 'odd')", "select('string')", "reject('number')",
           'reverse', 'sort', 'sort(reverse=true)', "sort(attribute='n')", 'unique', 'indent', 'indent(2, true)', "indent('> ', blank=true)",
           "trim('a')"]
# generators do nothing until they are gone through, and then their errors come late
FILTERS = [f + '|list' if f.split('(')[0] in ('items', 'map', 'select', 'reject', 'selectattr', 'rejectattr', 'reverse', 'unique') else f
           for f in FILTERS]
TESTS = ['defined', 'undefined', 'none', 'string', 'mapping', 'iterable', 'sequence', 'number', 'integer', 'float', 'boolean', 'true', 'false', 'odd',
         'even', 'equalto(1)', "eq('abc')", 'ne 1', 'divisibleby 3', 'in [1, 2]', 'lt 2', 'ge(1)', 'callable']
METHODS = ["strip()", "lstrip()", "rstrip('c')", "strip('a ')", "split('X')", 'split()', "split('X', 1)", "rsplit('X', 1)", "rsplit('b')", "startswith('a')",
           "endswith(('c', 'x'))", 'upper()', 'title()', 'capitalize()', "replace('b', 'BB')", "join(['q', 'r'])", "find('b')", "count('X')", "get('a')",
           "get('z', 5)", 'items()', 'keys()', 'values()', 'index(1)', 'split(none, 1)', "removeprefix('a')", "count(1)"]
SLICES = ['[0]', '[-1]', '[1]', '[9]', '[1:]', '[:-1]', '[::-1]', '[::2]', '[-2:]', '[2:0:-1]', '[5:1]', "['a']", '[:1]', '[-9:2]', '[::-2]', '[true]']


def expression(r, depth):
    kind = r.randrange(16 if depth > 0 else 2)
    sub = lambda: expression(r, depth - 1)
    if kind < 2:
        return r.choice(ATOMS)
    if kind < 5:
        return '(%s) %s (%s)' % (sub(), r.choice(['+', '-', '*', '/', '//', '%', '~', '~', '+', '**']), sub())
    if kind == 5:
        return '%s %s %s %s %s' % (r.choice(ATOMS), r.choice(['+', '-', '*', '//', '%', '~', '<', '==', 'and', 'or']), r.choice(ATOMS),
                                   r.choice(['+', '*', '~', '**', '!=', 'in', 'not in', 'and', 'or', '>=']), r.choice(ATOMS))
    if kind == 6:
        return '(%s) %s (%s)' % (sub(), r.choice(['==', '!=', '<', '<=', '>', '>=', 'in', 'not in', 'and', 'or']), sub())
    if kind < 10:
        return '(%s)|%s' % (sub(), r.choice(FILTERS))
    if kind == 10:
        return '(%s) is %s%s' % (sub(), r.choice(['', 'not ']), r.choice(TESTS))
    if kind == 11:
        return '(%s).%s' % (sub(), r.choice(METHODS))
    if kind == 12:
        return '(%s)%s' % (sub(), r.choice(SLICES))
    if kind == 13:
        return '(%s if %s else %s)' % (sub(), sub(), sub())
    if kind == 14:
        return r.choice(['[%s, %s]', '(%s, %s)', "{'a': %s, 'b': %s}"]) % (sub(), sub())
    return r.choice(['not (%s)', '-(%s)', '+(%s)', '(%s)|string', '(%s)|list']) % sub()


def blank(r):
    return r.choice(['', '', ' ', '\n', '\n\n', '  \n ', 'a', ' a ', '\n  b\n', '\t', '\u3000'])


def statement(r, depth):
    tag = lambda text: '{%' + r.choice(['', '', '-', '+']) + ' ' + text + ' ' + r.choice(['', '', '-', '+']) + '%}'
    body = lambda: blank(r) + ''.join(statement(r, depth - 1) + blank(r) for _ in range(r.randrange(1, 3)))
    kind = r.randrange(11 if depth > 0 else 4)
    if kind < 3:
        return '{{' + r.choice(['', '', '-']) + ' ' + expression(r, 2) + ' ' + r.choice(['', '', '-']) + '}}'
    if kind == 3:
        return r.choice([tag('set x = ' + expression(r, 1)), '{#' + r.choice(['', '-', '+']) + ' c ' + r.choice(['', '-', '+']) + '#}',
                         tag('set x, y = (%s, 1)' % expression(r, 1)), tag('set ns.v = ' + expression(r, 1)) + '{{ ns.v }}'])
    if kind < 6:
        return tag('if ' + expression(r, 1)) + body() + (tag('elif ' + expression(r, 1)) + body() if r.random() < .3 else '') + (
            tag('else') + body() if r.random() < .5 else '') + tag('endif')
    if kind < 9:
        stop = tag('if loop.index == 2') + tag(r.choice(['break', 'continue'])) + tag('endif') if r.random() < .3 else ''
        look = '{{ loop.%s }}' % r.choice(['index', 'index0', 'first', 'last', 'length', 'revindex', 'revindex0', 'previtem', 'nextitem'])
        return tag('for y in (%s)%s' % (expression(r, 1), r.choice(['', '', ' if ' + expression(r, 1)]))) + look + stop + body() + (
            tag('else') + body() if r.random() < .3 else '') + tag('endfor')
    if kind == 9:
        return tag('set x' + r.choice(['', ' | upper', ' | trim | length'])) + body() + tag('endset') + '{{ x }}'
    return tag('macro m(x, y=%s)' % expression(r, 1)) + body() + tag('endmacro') + '{{ m(%s) }}' % expression(r, 1)


def compare(count, seed):
    """Both must fail or both must write the same; what we refuse as not supported is only counted."""
    top = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    r, same, refused, bad = random.Random(seed), [0, 0], {}, 0
    with tempfile.TemporaryDirectory() as where:
        path = os.path.join(where, 'driver')
        with open(path + '.c', 'w') as f:
            f.write(DRIVER % (top, top))
        subprocess.check_call(['cc', '-O1', '-w', path + '.c', '-o', path, '-lm'])
        ours = subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for i in range(count):
            template = '{% set ns = namespace(v=0) %}' + statement(r, 2)
            data = template.encode()
            ours.stdin.write(b'%d\n' % len(data) + data)
            ours.stdin.flush()
            status, n = map(int, ours.stdout.readline().split())
            found = ours.stdout.read(n).decode(errors='replace')
            try:
                wanted = render(template, 1, 0)
            except Exception as e:
                wanted = e
            failed = isinstance(wanted, Exception)
            if status == 7:
                found = found.split(': ', 1)[1].split(' of U+')[0]
                refused[found] = refused.get(found, 0) + 1
            elif failed != (status != 0) or (not failed and wanted != found):
                bad += 1
                if bad <= 20:
                    print('%r\n  wanted %r\n  found  %r' % (template, wanted, found))
            else:
                same[failed] += 1
        ours.stdin.close()
    print('%d the same, %d failed in both, %d differ, not supported:' % (same[0], same[1], bad))
    for text in sorted(refused, key=refused.get, reverse=True)[:20]:
        print('%6d %s' % (refused[text], text))
    return bad


if __name__ == '__main__':
    if sys.argv[1:2] == ['--random']:
        sys.exit(compare(int(sys.argv[2]), int((sys.argv + ['1'])[3])) != 0)
    header()
