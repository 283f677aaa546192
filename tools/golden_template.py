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
    return ENV.from_string(template).render(messages=copy.deepcopy(TALKS[talk]), tools=None, documents=None, bos_token=BOS,
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
    'qwen25': """\
{%- if tools %}
    {{- '<|im_start|>system\\n' }}
    {%- for tool in tools %}{{- "\\n" }}{{- tool | tojson }}{%- endfor %}
{%- else %}
    {%- if messages and messages[0]['role'] == 'system' %}
        {{- '<|im_start|>system\\n' + messages[0]['content'] + '<|im_end|>\\n' }}
    {%- else %}
        {{- '<|im_start|>system\\nYou help.<|im_end|>\\n' }}
    {%- endif %}
{%- endif %}
{%- for message in messages %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) or (message.role == "assistant" and not message.tool_calls) %}
        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}
    {%- elif message.role == "assistant" %}
        {%- for tool_call in message.tool_calls %}
            {%- if tool_call.function is defined %}{%- set tool_call = tool_call.function %}{%- endif %}
            {{- '\\n{"name": "' }}{{- tool_call.name }}{{- '", "arguments": ' }}{{- tool_call.arguments | tojson }}
        {%- endfor %}
    {%- elif message.role == "tool" %}
        {%- if (loop.index0 == 0) or (messages[loop.index0 - 1].role != "tool") %}{{- '<|im_start|>user' }}{%- endif %}
        {%- if loop.last or (messages[loop.index0 + 1].role != "tool") %}{{- '<|im_end|>\\n' }}{%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}
""",
    'gemma3': """\
{{ bos_token }}
{%- if messages[0]['role'] == 'system' -%}
    {%- if messages[0]['content'] is string -%}
        {%- set first_user_prefix = messages[0]['content'] + '\\n\\n' -%}
    {%- else -%}
        {%- set first_user_prefix = messages[0]['content'][0]['text'] + '\\n\\n' -%}
    {%- endif -%}
    {%- set loop_messages = messages[1:] -%}
{%- else -%}
    {%- set first_user_prefix = "" -%}
    {%- set loop_messages = messages -%}
{%- endif -%}
{%- for message in loop_messages -%}
    {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) -%}
        {{ raise_exception("Conversation roles must alternate user/assistant/user/assistant/...") }}
    {%- endif -%}
    {%- if (message['role'] == 'assistant') -%}{%- set role = "model" -%}{%- else -%}{%- set role = message['role'] -%}{%- endif -%}
    {{ '<start_of_turn>' + role + '\\n' + (first_user_prefix if loop.first else "") }}
    {%- if message['content'] is string -%}
        {{ message['content'] | trim }}
    {%- elif message['content'] is iterable -%}
        {%- for item in message['content'] -%}
            {%- if item['type'] == 'image' -%}{{ '<start_of_image>' }}{%- elif item['type'] == 'text' -%}{{ item['text'] | trim }}{%- endif -%}
        {%- endfor -%}
    {%- else -%}
        {{ raise_exception("Invalid content type") }}
    {%- endif -%}
    {{ '<end_of_turn>\\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}{{'<start_of_turn>model\\n'}}{%- endif -%}
""",
    'commandr': """\
{{ bos_token }}{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{% set system_message = messages[0]['content'] %}{% elif false == true %}{% set loop_messages = messages %}{% set system_message = 'You are large.' %}{% else %}{% set loop_messages = messages %}{% set system_message = false %}{% endif %}{% if system_message != false %}{{ '<|START_OF_TURN_TOKEN|><|SYSTEM_TOKEN|>' + system_message + '<|END_OF_TURN_TOKEN|>' }}{% endif %}{% for message in loop_messages %}{% set content = message['content'] %}{% if message['role'] == 'user' %}{{ '<|START_OF_TURN_TOKEN|><|USER_TOKEN|>' + content.strip() + '<|END_OF_TURN_TOKEN|>' }}{% elif message['role'] == 'assistant' %}{{ '<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>' + content.strip() + '<|END_OF_TURN_TOKEN|>' }}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>' }}{% endif %}""",
    'mistral7': """\
{%- set today = "2025-01-30" %}
{%- set default_system_message = "You are a model.\\nToday is " + today + ".\\n" %}
{{- bos_token }}
{%- if messages and messages[0]['role'] == 'system' %}
    {%- if messages[0]['content'] is string %}
        {%- set system_message = messages[0]['content'] %}
    {%- else %}
        {%- set system_message = messages[0]['content'][0]['text'] %}
    {%- endif %}
    {%- set loop_messages = messages[1:] %}
{%- else %}
    {%- set system_message = default_system_message %}
    {%- set loop_messages = messages %}
{%- endif %}
{{- '[SYSTEM_PROMPT]' + system_message + '[/SYSTEM_PROMPT]' }}
{%- set user_messages = loop_messages | selectattr("role", "equalto", "user") | list %}
{%- for message in loop_messages | rejectattr("role", "equalto", "tool") | list %}
    {%- if message['role'] == 'user' %}
        {%- if tools is not none and (message == user_messages[-1]) %}{{- "[AVAILABLE_TOOLS]" }}{%- endif %}
        {%- if message['content'] is string %}
            {{- '[INST]' + message['content'] + '[/INST]' }}
        {%- else %}
            {{- '[INST]' }}
            {%- for block in message['content'] %}
                {%- if block['type'] in ['image', 'image_url'] %}{{- '[IMG]' }}{%- else %}{{- block['text'] }}{%- endif %}
            {%- endfor %}
            {{- '[/INST]' }}
        {%- endif %}
    {%- elif message['role'] == 'assistant' %}
        {{- message['content'] + eos_token }}
    {%- else %}
        {{- raise_exception('Only user, system and assistant roles are supported!') }}
    {%- endif %}
{%- endfor %}""",
    'granite': """\
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content'] %}
    {%- set loop_messages = messages[1:] %}
{%- else %}
    {%- set system_message = "Knowledge Cutoff Date: April 2024.\\nYou are Granite." %}
    {%- if tools and documents %}
        {%- set system_message = system_message + "\\n\\nUse the tools." %}
    {%- elif documents %}
        {%- set system_message = system_message + "\\n\\nUse the documents." %}
    {%- elif thinking %}
        {%- set system_message = system_message + "\\n\\nThink first." %}
    {%- endif %}
    {%- if 'citations' in controls and documents %}{%- set system_message = system_message + '\\n\\nCite.' %}{%- endif %}
    {%- set loop_messages = messages %}
{%- endif %}
{{- '<|start_of_role|>system<|end_of_role|>' + system_message + '<|end_of_text|>\\n' }}
{%- if documents %}
    {%- for document in documents %}{{- 'Document ' + loop.index | string + '\\n' + document['text'] }}{%- if not loop.last %}{{- '\\n\\n' }}{%- endif %}{%- endfor %}
{%- endif %}
{%- for message in loop_messages %}
    {{- '<|start_of_role|>' + message['role'] + '<|end_of_role|>' + message['content'] + '<|end_of_text|>\\n' }}
    {%- if loop.last and add_generation_prompt %}
        {{- '<|start_of_role|>assistant' }}
        {%- if controls %}{{- ' ' + controls | tojson()}}{%- endif %}
        {{- '<|end_of_role|>' }}
    {%- endif %}
{%- endfor %}""",
    'smollm3': """\
{#- defaults -#}
{%- if enable_thinking is not defined -%}{%- set enable_thinking = true -%}{%- endif -%}
{%- if enable_thinking -%}{%- set reasoning_mode = "/think" -%}{%- else -%}{%- set reasoning_mode = "/no_think" -%}{%- endif -%}
{{- "<|im_start|>system\\n" -}}
{%- if messages[0].role == "system" -%}
    {%- set system_message = messages[0].content -%}
    {%- if "/no_think" in system_message -%}{%- set reasoning_mode = "/no_think" -%}{%- elif "/think" in system_message -%}{%- set reasoning_mode = "/think" -%}{%- endif -%}
    {%- set custom_instructions = system_message.replace("/no_think", "").replace("/think", "").rstrip() -%}
{%- endif -%}
{{- "Reasoning Mode: " + reasoning_mode + "\\n\\n" -}}
{%- if custom_instructions -%}{{- custom_instructions + "\\n\\n" -}}{%- endif -%}
{{- "<|im_end|>\\n" -}}
{%- for message in messages -%}
    {%- set content = message.content if message.content is string else "" -%}
    {%- if message.role == "user" -%}
        {{ "<|im_start|>" + message.role + "\\n" + content + "<|im_end|>\\n" }}
    {%- elif message.role == "assistant" -%}
        {% generation %}
        {%- if reasoning_mode == "/think" -%}
            {{ "<|im_start|>assistant\\n" + content.lstrip("\\n") + "<|im_end|>\\n" }}
        {%- else -%}
            {{ "<|im_start|>assistant\\n" + "<think>\\n\\n</think>\\n" + content.lstrip("\\n") + "<|im_end|>\\n" }}
        {%- endif -%}
        {% endgeneration %}
    {%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {%- if reasoning_mode == "/think" -%}{{ "<|im_start|>assistant\\n" }}{%- else -%}{{ "<|im_start|>assistant\\n" + "<think>\\n\\n</think>\\n" }}{%- endif -%}
{%- endif -%}""",
    'types': """\
{%- macro type_of(param) %}
{%- set map = {"string": "str", "integer": "int", "boolean": "bool"} %}
{%- if map[param.type] is defined %}{{- map[param.type] }}
{%- elif param.type == "array" %}{{- "list[" + type_of(param["items"]) + "]" }}
{%- elif param.type == "object" %}
{%- if param.additionalProperties is defined %}{{- "dict[str, " + type_of(param.additionalProperties) + "]" }}{%- else %}{{- "dict" }}{%- endif %}
{%- elif param.type is iterable and param.type is not string %}{{- "Union[" }}{%- for t in param.type %}{{- type_of({"type": t}) }}{%- if not loop.last %}{{- "," }}{%- endif %}{%- endfor %}{{- "]" }}
{%- else %}{{- "Any" }}
{%- endif %}
{%- endmacro %}
{%- set builtin_tools = ["search", "code"] %}
{{- "Tools: " + builtin_tools | reject('equalto', 'code') | join(", ") + "\\n" }}
{%- for tool in [{"name": "f", "parameters": {"a": {"type": "array", "items": {"type": "string"}}, "b": {"type": ["integer", "null"]}, "c": {"type": "object", "additionalProperties": {"type": "boolean"}}}}] %}
{{- tool.name + "(" }}
{%- for name, fields in tool.parameters | items %}{{- name + ": " + type_of(fields) }}{%- if not loop.last %}{{- ", " }}{%- endif %}{%- endfor %}
{{- ")\\n" }}
{{- tool | tojson(indent=4) }}
{%- endfor %}
{%- for message in messages %}{{- "\\n" ~ loop.index ~ ":" ~ message.role }}{%- endfor %}""",
}

# ---- one construct each ----

EXPRESSIONS = r"""
1 + 2 * 3
- 3 | string is string
7 // 2, -7 // 2, 7 // -2, 7 % 3, -7 % 3, 7 % -3
1 < 2 < 3, 1 < 2 > 3, 3 >= 3 > 2 != 1
1 in [1, 2], 'b' in 'abc', '' in 'abc', 'x' not in 'abc', 'a' in {'a': 1}, 3 not in (1, 2), 1 in range(3)
not 1 == 2, not true and false, not (true and false), true or false and false
1 if true else 2, 1 if false else 2, (1 if false) is defined, 'x' if none
0 or 'a' or 'b', 1 and 'a', 0 and 'a', '' or [] or {}
[1, 2, 3][0], [1, 2, 3][-1], [1, 2, 3][5] is defined, 'abc'[1], 'abc'[-1], 'abc'[7] is defined, 'é日'[1]
[1, 2, 3][1:], [1, 2, 3][:-1], [1, 2, 3][::-1], [1, 2, 3][-2:], [1, 2, 3][5:]
'abcdef'[1:3], 'aé日😀x'[1:4], 'abcdef'[-3:-1], 'abc'[:0], 'abc'[9:], 'abc'[-9:2]
range(5)[1:3] | list, range(3) | list, range(2, 8, 3) | list, range(5, 0, -2) | list, range(0) | list
{'a': 1}.a, {'a': 1}['a'], {'a': 1}.b is defined, {'items': 5}['items'], {'a': {'b': 2}}.a.b
none == none, x == y, x == none
[1,], (1,), {'a': 1,}, [], (), {}, (1), ((1, 2), [3, 4])
x is defined, x is undefined, none is defined, none is none, x is none, x is not none, 1 is not none
'a' is string, 1 is string, {} is mapping, [] is mapping, x is mapping, 1 is number, true is number, '1' is number
1 is integer, true is integer, true is boolean, 1 is boolean, true is true, 1 is true, false is false, 0 is false
[] is iterable, 'a' is iterable, 1 is iterable, x is iterable, {} is iterable, none is iterable, [] is sequence, 'a' is sequence, 5 is sequence, {} is sequence, range(2) is sequence
3 is odd, 4 is even, 3 is even, 9 is divisibleby 3, 9 is divisibleby(2), 1 is eq 1, 1 is equalto(2), 'a' is ne 'b', 1 is lt 2, 2 is ge 2, 1 is in [1, 2]
1 is eq 1 and 2 is eq 2, 3 is not odd, not 3 is odd, range is callable, x is callable
'  a b '|trim, '..a.'|trim('.'), ' a '|upper, 'AbC'|lower, 'hELLO wORLD'|capitalize
'hELLO wORLD'.capitalize(), 'aB'.upper(), 'aB'.lower()
'abc'|length, 'é日😀'|length, [1, 2]|count, {'a': 1}|length, x|length, range(4)|length
x|default('d'), x|d('d'), ''|default('d'), ''|default('d', true), none|default('d'), 0|d(1, boolean=true), x|default
[1, 2, 3]|join, ['a', 'b']|join(', '), [1, none, 'x']|join('-'), {'k': 1, 'l': 2}|join(',')
[1, 2]|first, [1, 2]|last, []|first is defined, {'a': 1}|first
[]|tojson, {}|tojson, 'é'|tojson, (1, 2)|tojson
{'a': [1, {'b': []}], 'c': {}}|tojson(indent=2)
{'a': [1, {'b': []}], 'c': {}}|tojson(indent=4), [1]|tojson(ensure_ascii=false), [[]]|tojson(indent=0)
1|string ~ 'a', '12'|int, ' -7 '|int, 'x'|int, 'x'|int(5), true|int, none|int(-1), ''|int, '007'|int
'-0'|int
{'a': 1}|list, (1, 2)|list, range(3)|list, x|list
'aXbXc'|replace('X', '-'), 'aaa'|replace('a', 'b', 2), 'abc'.replace('b', ''), 'aaa'.replace('aa', 'b'), 12|replace('1', 'x')
'<a>'|safe|length, {'a': 1, 'b': 2}|items|list, x|items|list
[{'a': 1}, {'a': 2}, {}]|map(attribute='a')|list|length
[1, 0, 2, none]|select|list, [1, 2, 3, 4]|select('odd')|list, [1, 2, 3]|reject('odd')|list, [1, 2, 3]|select('gt', 1)|list, [[], [1]]|reject|list
messages|selectattr('role', 'equalto', 'system')|list|length, messages|rejectattr('role', '==', 'system')|map(attribute='role')|join(','), messages|selectattr('content')|list|length, messages|selectattr('tool', 'defined')|list
[1, 2, 3]|reverse|list
'  a '.strip() ~ '|', '  a '.lstrip() ~ '|', '  a '.rstrip() ~ '|', 'xxaxx'.strip('x'), 'abcba'.lstrip('ab'), 'é日é'.strip('é')
'a,b,c'.split(','), 'a,b,c'.split(',', 1), 'abc'.split('x'), ''.split(',')
'abc'.startswith('ab'), 'abc'.endswith('bc'), 'abc'.endswith(''), ''.startswith('a')
', '.join(['a', 'b']), ''.join([])
{'a': 1}.get('a'), {'a': 1}.get('b'), {'a': 1}.get('b', 2), {'a': 1}.items()|list, {'a': 1}.keys()|list, {'a': 1}.values()|list, {'a': 1}.items()|length
dict(a=1, b='x'), namespace(a=1).a
'a' if messages|selectattr('role', 'equalto', 'nobody') else 'b'
messages[0].content, messages[0]['role'], messages[-1]['role'], messages|length, messages[0].name is defined, messages[0]
bos_token, eos_token, add_generation_prompt, tools, documents is none, unk_token is defined, unk_token
x, x ~ 'a', x|join, x|trim, x|string, (x or 'd'), x in [x], 1 in x
true, True, none, None, false, False
+1, -1, - -1, +-1, -true, 5 - -2
(1, 2) + (3,), [1] + [2], 'a' + 'b', true + true
{'}}': '%}', 'a': '}}'}['}}']
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
    '{{ 1\n+\n2 }}', '{{ "a\nb" }}', '{{ "a\r\nb" }}', '{{ {"a": {"b": 1}}["a"].b}}', '{{ {"a": {"b": {}}}|length }}', "{{ '}}' }}{{ '%}' }}{{ '{{' }}",
    '{% for x in [1, 2, 3] %}{{ x }}{% endfor %}', '{% for x in [] %}a{% else %}none{% endfor %}', '{% for x in nothing %}a{% else %}none{% endfor %}',
    '{% for x in [1, 2, 3] %}a{% else %}none{% endfor %}', '{% for x in range(6) if x % 2 %}{{ loop.index }}{{ x }}{{ loop.length }} {% else %}no{% endfor %}',
    '{% for x in range(6) if x > 9 %}{{ x }}{% else %}no{% endfor %}',
    '{% for x in ["a", "b"] %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.previtem is defined }}{{ loop.nextitem is defined }}{{ loop.nextitem }}\n{% endfor %}',
    '{% for k, v in {"a": 1, "b": 2}.items() %}{{ k }}={{ v }};{% endfor %}', '{% for k, v in {"a": 1}|items %}{{ k }}={{ v }};{% endfor %}',
    '{% for k in {"a": 1} %}{{ k }}{% endfor %}', '{% for x in (1, 2) %}{{ x }}{% endfor %}',
    '{% for x in [1, 2, 3, 4] %}{% if x == 2 %}{% continue %}{% endif %}{% if x == 4 %}{% break %}{% endif %}{{ x }}{% endfor %}!',
    '{% for x in [1, 2] %}{% for y in [1, 2, 3] %}{% if y == 2 %}{% break %}{% endif %}{{ x }}{{ y }}{{ loop.index }} {% endfor %}{{ loop.index }};{% endfor %}',
    '{% set x = 1 %}{% for i in [1, 2] %}{{ x }}{% set x = x + 1 %}{{ x }} {% endfor %}{{ x }}', '{% set x = 1 %}{% if true %}{% set x = 2 %}{% endif %}{{ x }}',
    '{% for i in [1] %}{% set y = 5 %}{% endfor %}{{ y is defined }}', '{% set ns = namespace(n=0) %}{% for i in range(5) %}{% set ns.n = ns.n + i %}{% endfor %}{{ ns.n }}',
    '{% set ns = namespace() %}{% set ns.a = [1] %}{% set ns.b = ns.a + [2] %}{{ ns.b|tojson }}{{ ns.c is defined }}', '{% set a, b = (1, 2) %}{{ a }}{{ b }}', '{% set a, b = [3, 4] %}{{ a }}{{ b }}',
    '{% set x %}a{{ 1 }}b{% endset %}[{{ x }}]{{ x is string }}', '{% set x %}{% for i in [1, 2] %}{{ i }}{% endfor %}{% endset %}{{ x }}', '{% set x = 5 %}{% set y %}{% set x = 6 %}{{ x }}{% endset %}{{ y }}{{ x }}',
    '{% if 0 %}a{% elif 1 %}b{% else %}c{% endif %}', '{% if 0 %}a{% elif "" %}b{% else %}c{% endif %}', '{% if 0 %}a{% elif 1 %}b{% elif 1 %}d{% endif %}', '{% if 1 %}{% if 0 %}a{% else %}b{% endif %}{% else %}c{% endif %}', '{% if 0 %}a{% endif %}',
    '{% if not nothing %}a{% endif %}', '{% if messages | selectattr("role", "equalto", "nobody") %}a{% endif %}', '{% if messages | selectattr("role", "equalto", "nobody") | list %}a{% else %}b{% endif %}',
    '{% macro m(a, b=2, c=a) %}{{ a }}{{ b }}{{ c }};{% endmacro %}{{ m(1) }}{{ m(1, 3) }}{{ m(b=5, a=4) }}{{ m() }}{{ m(1, c=9) }}', '{% macro m() %}x{% endmacro %}{{ m() | upper ~ m() }}{{ m is defined }}',
    '{% macro f(n) %}{% if n %}{{ n }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(5) }}', '{% set g = 1 %}{% macro m() %}{{ g }}{{ h }}{% endmacro %}{% set h = 2 %}{{ m() }}{% for g in [7] %}{{ m() }}{% endfor %}', '{% macro m(x) %}{% set x = x + 1 %}{{ x }}{% endmacro %}{% set x = 5 %}{{ m(1) }}{{ x }}',
    '{% macro m(l) -%}\n  {% for x in l -%} {{ x }} {%- if not loop.last %}, {% endif %}{%- endfor %}\n{%- endmacro %}[{{ m([1, 2, 3]) }}]',
    'a{% generation %}b{{ 1 }}{% endgeneration %}c', '{% for m in messages %}{% generation %}{{ loop.index }}{{ m.role }}{% endgeneration %}{% endfor %}',
    '{% for m in messages %}{{ loop.previtem.role if loop.previtem is defined else "-" }}>{{ m.role }} {% endfor %}', '{% for message in messages if message.role != "system" %}{{ loop.index0 }}{{ message.role }}{{ loop.last }} {% endfor %}',
    '{% for m in messages[::-1] %}{{ m.role[0] }}{% endfor %}', '{{ messages | map(attribute="content") | join("|") }}', '{{ messages | map(attribute="role") | list | length }}', '{% for m in messages %}{{ m | tojson }}\n{% endfor %}', '{{ messages | tojson(indent=2) }}',
    '{{ strftime_now is defined }}{% if strftime_now is defined %}{{ strftime_now("%d") }}{% endif %}', '{% if tools %}{{ tools | nothing }}{% endif %}x', '{% set tools = tools or [] %}{{ tools|tojson }}', '{% for x in [3] %}{% endfor %}{{ loop is defined }}',
    '{% for loop_messages in [1] %}{{ loop_messages }}{% endfor %}', '{{ (messages | last).role }}', '{% for a in [1, 2] %}{% for b in [1, 2] %}{% endfor %}{{ loop.index }}{% endfor %}', '{% for i in [1,2] %}{% if loop.first %}{% set y = 1 %}{% endif %}{{ y }},{% endfor %}',
    '{% set x = "a" %}{% for i in [1, 2] %}{% if i == 2 %}{% set x = "b" %}{% endif %}{{ x }}{% endfor %}', '{{ (x.y is defined) if x is defined else "no" }}', "{{ '\u65e5\u672c' }}\u00e9", '{{ "" }}{{ none }}{{ nothing }}',
]

# ---- what fails: template, status, words of our message ----

FAILURES = [
    ('{{ 1 | xmlattr }}', 'UNSUPPORTED', "line 1: filter 'xmlattr'"), ('a\nb\n{{ 1 | e }}', 'UNSUPPORTED', "line 3: filter 'e'"), ('{{ [2, 1] | sort }}', 'UNSUPPORTED', "filter 'sort'"),
    ('{{ [1] | unique }}', 'UNSUPPORTED', "filter 'unique'"), ('{% for k, v in {"a": 1} | dictsort %}{% endfor %}', 'UNSUPPORTED', "filter 'dictsort'"), ('{{ "a" | indent }}', 'UNSUPPORTED', "filter 'indent'"),
    ('{{ "a" | title }}', 'UNSUPPORTED', "filter 'title'"), ('{{ 1 | float }}', 'UNSUPPORTED', "filter 'float'"), ('{{ [1] | batch(2) }}', 'UNSUPPORTED', "filter 'batch'"),
    ('{{ ["a"] | map("upper") }}', 'UNSUPPORTED', "filter 'map'"), ('{{ [{}] | map(attribute="x", default=1) }}', 'UNSUPPORTED', "filter 'map'"), ('{{ [{}] | map(attribute="a.b") | list }}', 'UNSUPPORTED', "path 'a.b'"),
    ('{{ [] | join(",", attribute="a") }}', 'UNSUPPORTED', "'join'"), ('{{ "a" | tojson(sort_keys=true) }}', 'UNSUPPORTED', "'tojson'"), ('{{ "a" | tojson(true) }}', 'UNSUPPORTED', "'ensure_ascii'"),
    ('{{ [1] | tojson(indent=17) }}', 'UNSUPPORTED', "'indent'"), ('{{ "\u00e9" | upper }}', 'UNSUPPORTED', "'ASCII'"), ('{{ "1_0" | int }}', 'UNSUPPORTED', "int of '1_0'"), ('{{ "a" | replace("", "b") }}', 'UNSUPPORTED', "replace of ''"),
    ('{{ "a".format(1) }}', 'UNSUPPORTED', "method 'format'"), ('{{ [].append(1) }}', 'UNSUPPORTED', "method 'append'"), ('{{ "a".rsplit("a") }}', 'UNSUPPORTED', "method 'rsplit'"), ('{{ "a".removeprefix("a") }}', 'UNSUPPORTED', "method 'removeprefix'"),
    ('{{ "a b".split() }}', 'UNSUPPORTED', "split at white space"), ('{{ "a".find("a") }}', 'UNSUPPORTED', "method 'find'"), ('{{ {}.pop("a") }}', 'UNSUPPORTED', "method 'pop'"),
    ('{% for x in [1] %}{{ loop.cycle(1) }}{% endfor %}', 'UNSUPPORTED', "method 'cycle'"), ('{% for x in [1] %}{{ loop.depth }}{% endfor %}', 'UNSUPPORTED', "'depth'"), ('{% for x in [1] recursive %}{% endfor %}', 'UNSUPPORTED', 'recursive'),
    ('{% include "x" %}', 'UNSUPPORTED', "tag 'include'"), ('\n\n{% raw %}{% endraw %}', 'UNSUPPORTED', "line 3: tag 'raw'"), ('{% if 0 %}{% do 1 %}{% endif %}', 'UNSUPPORTED', "tag 'do'"), ('{% set x | upper %}{% endset %}', 'UNSUPPORTED', "'|'"),
    ('{{ 1 is sameas 1 }}', 'UNSUPPORTED', "test 'sameas'"), ('{{ 1 is eq }}', 'UNSUPPORTED', "test 'eq'"), ('{{ 1 is none(2) }}', 'UNSUPPORTED', "test 'none'"),
    ('{{ "%s" % 1 }}', 'UNSUPPORTED', "operator '%'"), ('{{ 6 / 3 }}', 'UNSUPPORTED', "operator '/'"), ('{{ 2 ** 3 }}', 'UNSUPPORTED', "operator '**'"), ('{{ "abc"[::-1] }}', 'UNSUPPORTED', "'step'"), ('{{ [1, 2][::2] }}', 'UNSUPPORTED', "'step'"),
    ('{{ 1.5 }}', 'UNSUPPORTED', "number '1.5'"), ('{{ 0x10 }}', 'UNSUPPORTED', "number '0x10'"), ('{{ 1_000 }}', 'UNSUPPORTED', "number '1_000'"), ('{{ 99999999999999999999 }}', 'UNSUPPORTED', "number '9999"), ('{{ 9200000000000000000 + 9200000000000000000 }}', 'UNSUPPORTED', "beyond 64 bits"),
    ('{{ -4600000000000000000 * 3 }}', 'UNSUPPORTED', "beyond 64 bits"), ('{{ "\\u00e9" }}', 'UNSUPPORTED', "escape '\\\\u'"), ('{{ "\\101" }}', 'UNSUPPORTED', "escape '\\\\1'"), ('{{ f(*a) }}', 'UNSUPPORTED', "'*'"), ('{{ range(1, 2, 3, 4) }}', 'UNSUPPORTED', "'range'"),
    ('{{ {1: 2} }}', 'UNSUPPORTED', "a key that is 'an integer'"), ('{{ dict([]) }}', 'UNSUPPORTED', "'dict'"), ('{{ range(3) }}', 'UNSUPPORTED', "text of 'a list'"), ('{{ messages[0] }}', 'UNSUPPORTED', "text of 'a mapping'"), ('{{ "a" ~ namespace() }}', 'UNSUPPORTED', "text of 'a namespace'"),
    ('{% macro m(a) %}{% endmacro %}{{ m(1, 2) }}', 'UNSUPPORTED', "'macro'"), ('{% macro m(a) %}{% endmacro %}{{ m(b=2) }}', 'UNSUPPORTED', "'macro'"), ('{{ range(1000000000) }}', 'UNSUPPORTED', "'range'"), ('{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}', 'UNSUPPORTED', 'deeper'),
    ('{{ strftime_now("%d") }}', 'FORMAT', "'strftime_now' is undefined"), ('{{ cycler(1) }}', 'FORMAT', "'cycler' is undefined"), ('{{ x.y }}', 'FORMAT', "'x' is undefined"), ('{{ x + 1 }}', 'FORMAT', "'x' is undefined"), ('{{ 1 + x }}', 'FORMAT', "'x' is undefined"), ('{{ 1 < x }}', 'FORMAT', "'x' is undefined"),
    ('{{ 1 + "a" }}', 'FORMAT', "a string does not fit '+'"), ('{{ none + "a" }}', 'FORMAT', "none does not fit '+'"), ('{{ "a" < 1 }}', 'FORMAT', 'an order'), ('{{ 1 // 0 }}', 'FORMAT', 'zero'), ('{{ 1 % 0 }}', 'FORMAT', 'zero'), ('{{ 1 in "a" }}', 'FORMAT', "'in' a string"),
    ('{% for x in 5 %}{% endfor %}', 'FORMAT', 'list of items'), ('{{ 5 | length }}', 'FORMAT', 'list of items'), ('{% for x in "ab" %}{% endfor %}', 'FORMAT', 'a string does not fit'), ('{{ "a".strip(1) }}', 'FORMAT', 'an integer does not fit strip'), ('{{ "a".startswith() }}', 'FORMAT', "'startswith' lacks"),
    ('{{ "a".startswith(("a", "b")) }}', 'FORMAT', 'a list does not fit startswith'), ('{{ [1, 2][x:] }}', 'FORMAT', "'x' is undefined"), ('{{ [1, 2]["a":] }}', 'FORMAT', 'bound of a slice'), ('{{ none[1:] }}', 'FORMAT', 'a slice'), ('{{ range(1, 2, 0) }}', 'FORMAT', 'step 0'), ('{{ -"a" }}', 'FORMAT', "a string does not fit '-'"),
    ('{{ x | tojson }}', 'FORMAT', "'x' is undefined"), ('{{ namespace() | tojson }}', 'FORMAT', 'JSON'), ('{% set x.y = 1 %}', 'FORMAT', "'x' is undefined"), ('{% set x = 1 %}{% set x.y = 1 %}', 'FORMAT', 'a namespace to set'), ('{% for a, b in [1] %}{% endfor %}', 'FORMAT', 'list of items'), ('{% set a, b = [1] %}', 'FORMAT', '1 values for 2 names'),
    ('{{ "a"() }}', 'FORMAT', 'a call'), ('{{ range(3)() }}', 'FORMAT', 'a call'), ('{{ x() }}', 'FORMAT', "'x' is undefined"),
    ('{% if 1 %}', 'FORMAT', "no 'endif'"), ('\n{% for x in y %}\n{% if 1 %}{% endif %}', 'FORMAT', "line 2: the block has no 'endfor'"), ('{% endif %}', 'FORMAT', "'endif'"), ('{% else %}', 'FORMAT', "'else'"), ('{% if 1 %}{% endfor %}', 'FORMAT', "'endfor'"), ('{% if 1 %}{% else %}{% else %}{% endif %}', 'FORMAT', "'else'"),
    ('{% for x in y %}{% elif 1 %}{% endfor %}', 'FORMAT', "'elif'"), ('{% break %}', 'FORMAT', 'outside a loop'), ('{% for x in [1] %}{% macro m() %}{% break %}{% endmacro %}{{ m() }}{% endfor %}', 'FORMAT', 'outside a loop'), ('{% for x in y %}{% else %}{% break %}{% endfor %}', 'FORMAT', 'outside a loop'),
    ('{{', 'FORMAT', 'does not end'), ('{{ 1', 'FORMAT', 'does not end'), ('{{ "a', 'FORMAT', 'string does not end'), ('{# a', 'FORMAT', 'comment does not end'), ('{% if', 'FORMAT', 'does not end'), ('{{ }}', 'FORMAT', 'an expression'), ('{{ 1 + }}', 'FORMAT', 'an expression'), ('{{ (1 }}', 'FORMAT', ''), ('{{ 1 2 }}', 'FORMAT', 'the end of the tag'),
    ('{{ a b }}', 'FORMAT', 'the end of the tag'), ('{{ a, b }}', 'FORMAT', 'the end of the tag'), ('{% set 1 = 2 %}', 'FORMAT', 'a name'), ('{{ 1 ; }}', 'FORMAT', "';'"), ('{{ a ! b }}', 'FORMAT', "'!'"), ('{{ a. }}', 'FORMAT', 'a name'), ('{{ f(a=1, 2) }}', 'FORMAT', 'named'), ('{{ 1 if }}', 'FORMAT', 'an expression'), ('{{ 1) }}', 'FORMAT', "')'"),
    ('{% if 0 %}{{ 1 + }}{% endif %}', 'FORMAT', 'an expression'), ('{% %}', 'FORMAT', 'a name'), ('{% set x %}', 'FORMAT', "no 'endset'"), ('{% set a b %}{% endset %}', 'FORMAT', "'b'"), ('{% macro m %}{% endmacro %}', 'FORMAT', "expected ("), ('{% for in x %}{% endfor %}', 'FORMAT', "expected in"),
    ('{{ raise_exception("no " ~ messages[0].role) }}', 'USAGE', 'the chat template refuses: no user'),
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
    for template in ['|'.join(map(shown, parts(e))) for e in expressions()] + TEMPLATES:
        yield template, 1, 0
    for name, template in FAMILIES.items():
        for talk in ([1] if name == 'types' else (0, 1, 2)):
            for prompt in (0, 1):
                yield template, talk, prompt


def parts(text):
    """The expressions between the commas outside of brackets and strings."""
    out, depth, quote, at = [''], 0, '', 0
    while at < len(text):
        c = text[at]
        if quote:
            step = 2 if c == '\\' else 1
            quote = '' if c == quote else quote
        else:
            step = 1
            quote = c if c in '"\'' else ''
            depth += (c in '([{') - (c in ')]}')
        if c == ',' and not quote and not depth:
            out.append('')
        else:
            out[-1] += text[at:at + step]
        at += step
    return [part.strip() for part in out]


def shown(e):
    """Lists and mappings are written as JSON: they have no other text in onebit.h."""
    value = ENV.compile_expression(e, undefined_to_none=False)(
        messages=copy.deepcopy(TALKS[1]), tools=None, documents=None, bos_token=BOS, eos_token=EOS,
        add_generation_prompt=False)
    if isinstance(value, (str, int, float, type(None), jinja2.Undefined)):
        return '{{ %s }}' % e
    return '{{ (%s)%s|tojson }}' % (e, '' if isinstance(value, dict) else '|list')


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

ATOMS = ['0', '1', '2', '-3', '7', "''", "'abc'", "'aXbXc'", "' a b '", "'\u00e9\u65e5x'", '"it\'s"', "'a\\nb'", "'12'", "'\U0001F600'",
         'true', 'false', 'none', 'undef', 'messages', 'messages[0]', 'messages[1].content', '[]', '()', '{}', '[1, 2, 3]', "['b', 'A', 'c']",
         "('x', 1)", "{'a': 1, 'b': [2]}", "{'k': none}", '[[1, 2], [3]]', "[{'n': 2}, {'n': 1}]", 'range(4)', 'x', 'y', 'bos_token', 'tools',
         'add_generation_prompt', '[1, true]', "'x' ~ 1"]
FILTERS = ['trim', 'upper', 'lower', 'capitalize', 'length', 'count', "default('d')", "d('e', true)", 'join', "join('-')", 'first', 'last',
           'tojson', 'tojson(indent=2)', 'string', 'int', 'int(9)', 'list', "replace('X', 'yy')", "replace('a', 'b', 1)", 'items|list',
           "map(attribute='n')|list", "map(attribute='role')|list", 'select|list', 'reject|list', "selectattr('role')|list",
           "selectattr('n', 'gt', 1)|list", "rejectattr('n', 'odd')|list", "select('string')|list", "reject('number')|list", 'reverse|list',
           "trim('a')", "select('eq', 1)|list", "selectattr('role', 'equalto', 'user')|list"]
TESTS = ['defined', 'undefined', 'none', 'string', 'mapping', 'iterable', 'number', 'integer', 'boolean', 'true', 'false', 'odd',
         'even', 'equalto(1)', "eq('abc')", 'ne 1', 'divisibleby 3', 'in [1, 2]', 'lt 2', 'ge(1)', 'callable']
METHODS = ["strip()", "lstrip()", "rstrip('c')", "strip('a ')", "split('X')", "split('X', 1)", "startswith('a')", "endswith('c')", 'upper()',
           'capitalize()', "replace('b', 'BB')", "join(['q', 'r'])", "get('a')", "get('z', 5)", 'items()|list', 'keys()|list', 'values()|list']
SLICES = ['[0]', '[-1]', '[1]', '[9]', '[1:]', '[:-1]', '[::-1]', '[-2:]', '[5:1]', "['a']", '[:1]', '[-9:2]']


def expression(r, depth):
    kind = r.randrange(16 if depth > 0 else 2)
    sub = lambda: expression(r, depth - 1)
    if kind < 2:
        return r.choice(ATOMS)
    if kind < 5:
        return '(%s) %s (%s)' % (sub(), r.choice(['+', '-', '*', '//', '%', '~', '~', '+']), sub())
    if kind == 5:
        return '%s %s %s %s %s' % (r.choice(ATOMS), r.choice(['+', '-', '*', '//', '%', '~', '<', '==', 'and', 'or']), r.choice(ATOMS),
                                   r.choice(['+', '*', '~', '!=', 'in', 'not in', 'and', 'or', '>=']), r.choice(ATOMS))
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
        e = expression(r, 2)
        return '{{' + r.choice(['', '', '-']) + ' ' + r.choice([e, '(%s)|tojson' % e]) + ' ' + r.choice(['', '', '-']) + '}}'
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
        return tag('set x') + body() + tag('endset') + '{{ x }}'
    return tag('macro m(x, y=%s)' % expression(r, 1)) + body() + tag('endmacro') + '{{ m(%s) }}' % expression(r, 1)


def compare(count, seed):
    """Where both write something it must be the same. What we refuse, as not supported or as what does
    not fit, is only counted, and so is what jinja2 alone refuses: it knows more kinds of values."""
    top = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    r, same, refused, bad, lenient = random.Random(seed), [0, 0], {}, 0, 0
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
            if not failed and (status == 7 or 'does not fit' in found):
                found = found.split(': ', 1)[1]
                refused[found] = refused.get(found, 0) + 1
            elif not failed and (status != 0 or wanted != found):
                bad += 1
                if bad <= 20:
                    print('%r\n  wanted %r\n  found  %r' % (template, wanted, found))
            else:
                same[failed and status != 0] += 1
                lenient += failed and status == 0
        ours.stdin.close()
    print('%d the same, %d failed in both, %d in jinja2 alone, %d differ, not supported:' %
          (same[0] - lenient, same[1], lenient, bad))
    for text in sorted(refused, key=refused.get, reverse=True)[:20]:
        print('%6d %s' % (refused[text], text))
    return bad


if __name__ == '__main__':
    if sys.argv[1:2] == ['--random']:
        sys.exit(compare(int(sys.argv[2]), int((sys.argv + ['1'])[3])) != 0)
    header()
