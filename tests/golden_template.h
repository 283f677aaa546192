/* golden_template.h - made by tools/golden_template.py with jinja2 3.1.6. */

#define TEMPLATE_BOS "<s>"
#define TEMPLATE_EOS "</s>"

static const onebit_message template_talk_0[] = {
    {"user",
     "Hi", 2},
};
static const onebit_message template_talk_1[] = {
    {"system",
     " Be kind. ", 10},
    {"user",
     "Who keeps\nthe lamp\077 ", 20},
    {"assistant",
     " The keeper. ", 13},
    {"user",
     "caf\303\251 \346\227\245\346\234\254 \360\237\230\200 \042<x>\042 it's", 28},
};
static const onebit_message template_talk_2[] = {
    {"user",
     "What is 6 * 7\077", 14},
    {"assistant",
     "<think>\nsix sevens\n</think>\n\n42", 31},
    {"user",
     "And 7 * 7\077", 10},
    {"assistant",
     "<think>\n\n</think>\n\n49", 21},
};

typedef struct template_talk {
    const onebit_message *messages;
    size_t count;
} template_talk;

static const template_talk template_talks[] = {
    {template_talk_0, 1},
    {template_talk_1, 4},
    {template_talk_2, 4},
    {NULL, 0}};

typedef struct template_row {
    const char *text;
    int talk, prompt;
    const char *expected; /* NULL = the template refuses this talk */
} template_row;

static const char template_chatml[] =
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\134n' + message['c"
     "ontent'] + '<|im_end|>' + '\134n' }}{% endfor %}\n{% if add_generation_prompt %}{{ '<|i"
     "m_start|>assistant\134n' }}{% endif %}";

static const char template_llama2[] =
    "{%- if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{% set s"
     "ystem_message = messages[0]['content'] %}\n{%- else %}{% set loop_messages = messages %"
     "}{% set system_message = false %}{% endif %}\n{%- for message in loop_messages -%}\n   "
     " {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) -%}\n        {{ raise_exc"
     "eption('Roles must alternate user/assistant/user/assistant/...') }}\n    {%- endif -%}\n"
     "    {%- if loop.index0 == 0 and system_message != false -%}\n        {%- set content = "
     "'<<SYS>>\134n' + system_message + '\134n<</SYS>>\134n\134n' + message['content'] -%}\n "
     "   {%- else -%}{%- set content = message['content'] -%}{%- endif -%}\n    {%- if messag"
     "e['role'] == 'user' -%}{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}\n    "
     "{%- elif message['role'] == 'assistant' -%}{{ ' ' + content.strip() + ' ' + eos_token }"
     "}{%- endif -%}\n{%- endfor -%}";

static const char template_llama3[] =
    "{%- if custom_tools is defined %}{% set tools = custom_tools %}{% endif -%}\n{%- if not"
     " date_string is defined %}\n    {%- if strftime_now is defined %}\n        {%- set date"
     "_string = strftime_now(\042%d %b %Y\042) %}\n    {%- else %}\n        {%- set date_stri"
     "ng = \04226 Jul 2024\042 %}\n    {%- endif %}\n{%- endif %}\n{%- if not tools is define"
     "d %}\n    {%- set tools = none %}\n{%- endif %}\n{#- The system message comes first. #}"
     "\n{%- if messages[0]['role'] == 'system' %}\n    {%- set system_message = messages[0]['"
     "content']|trim %}\n    {%- set messages = messages[1:] %}\n{%- else %}\n    {%- set sys"
     "tem_message = \042\042 %}\n{%- endif %}\n{{- bos_token }}\n{{- \042<|start_header_id|>s"
     "ystem<|end_header_id|>\134n\134n\042 }}\n{%- if tools is not none %}{{ \042Environment:"
     " ipython\134n\042 }}{% endif %}\n{{- \042Today Date: \042 + date_string + \042\134n\134"
     "n\042 }}\n{{- system_message }}\n{{- \042<|eot_id|>\042 }}\n{%- for message in messages"
     " %}\n    {%- if not (message.role == 'ipython' or message.role == 'tool' or 'tool_calls"
     "' in message) %}\n        {{- '<|start_header_id|>' + message['role'] + '<|end_header_i"
     "d|>\134n\134n'+ message['content'] | trim + '<|eot_id|>' }}\n    {%- elif 'tool_calls' "
     "in message %}\n        {{- raise_exception(\042No tools here\042) }}\n    {%- endif %}\n"
     "{%- endfor %}\n{%- if add_generation_prompt %}\n    {{- '<|start_header_id|>assistant<|"
     "end_header_id|>\134n\134n' }}\n{%- endif %}\n";

static const char template_zephyr[] =
    "{% for message in messages %}\n{% if message['role'] == 'user' %}\n{{ '<|user|>\134n' +"
     " message['content'] + eos_token }}\n{% elif message['role'] == 'system' %}\n{{ '<|syste"
     "m|>\134n' + message['content'] + eos_token }}\n{% elif message['role'] == 'assistant' %"
     "}\n{{ '<|assistant|>\134n'  + message['content'] + eos_token }}\n{% endif %}\n{% if loo"
     "p.last and add_generation_prompt %}\n{{ '<|assistant|>' }}\n{% endif %}\n{% endfor %}";

static const char template_gemma[] =
    "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'system' %}{% cont"
     "inue %}{% endif %}{% if (message['role'] == 'assistant') %}{% set role = 'model' %}{% e"
     "lse %}{% set role = message['role'] %}{% endif %}{{ '<start_of_turn>' + role + '\134n' "
     "+ message['content'] | trim + '<end_of_turn>\134n' }}{% endfor %}{% if add_generation_p"
     "rompt %}{{'<start_of_turn>model\134n'}}{% endif %}";

static const char template_mistral[] =
    "{%- if messages and messages[0][\042role\042] == \042system\042 %}\n    {%- set system_"
     "message = messages[0][\042content\042] %}\n    {%- set loop_messages = messages[1:] %}\n"
     "{%- else %}\n    {%- set loop_messages = messages %}\n{%- endif %}\n{%- set ns = namesp"
     "ace() %}\n{%- set ns.index = 0 %}\n{%- for message in loop_messages %}\n    {%- if not "
     "(message.role == \042tool\042 or message.role == \042tool_results\042 or (message.tool_"
     "calls is defined and message.tool_calls is not none)) %}\n        {%- if (message[\042r"
     "ole\042] == \042user\042) != (ns.index % 2 == 0) %}\n            {{- raise_exception(\042"
     "After the optional system message, conversation roles must alternate\042) }}\n        {"
     "%- endif %}\n        {%- set ns.index = ns.index + 1 %}\n    {%- endif %}\n{%- endfor %"
     "}\n{{- bos_token }}\n{%- for message in loop_messages %}\n    {%- if message[\042role\042"
     "] == \042user\042 %}\n        {%- if loop.last and system_message is defined %}\n      "
     "      {{- \042[INST] \042 + system_message + \042\134n\134n\042 + message[\042content\042"
     "] + \042[/INST]\042 }}\n        {%- else %}\n            {{- \042[INST] \042 + message["
     "\042content\042] + \042[/INST]\042 }}\n        {%- endif %}\n    {%- elif message[\042r"
     "ole\042] == \042assistant\042 %}\n        {{- \042 \042 + message[\042content\042]|trim"
     " + eos_token}}\n    {%- else %}\n        {{- raise_exception(\042Only user and assistan"
     "t roles are supported, with the exception of an initial optional system message!\042) }"
     "}\n    {%- endif %}\n{%- endfor %}";

static const char template_phi[] =
    "{% for message in messages %}{% if message['role'] == 'system' and message['content'] %"
     "}{{'<|system|>\n' + message['content'] + '<|end|>\n'}}{% elif message['role'] == 'user'"
     " %}{{'<|user|>\n' + message['content'] + '<|end|>\n'}}{% elif message['role'] == 'assis"
     "tant' %}{{'<|assistant|>\n' + message['content'] + '<|end|>\n'}}{% endif %}{% endfor %}"
     "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% else %}{{ eos_token }}{% endif "
     "%}";

static const char template_falcon[] =
    "{% for message in messages %}{% if not loop.first %}{{ '\134n\134n' }}{% endif %}{{ mes"
     "sage['role'] | capitalize }}: {{ message['content'].strip().replace('\134r\134n', '\134"
     "n').replace('\134n\134n', '\134n') }}{% endfor %}{% if add_generation_prompt %}{{ '\134"
     "n\134nAssistant:' }}{% endif %}";

static const char template_qwen2[] =
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ "
     "'<|im_start|>system\134nYou are a helpful assistant.<|im_end|>\134n' }}{% endif %}{{'<|"
     "im_start|>' + message['role'] + '\134n' + message['content'] + '<|im_end|>' + '\134n'}}"
     "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\134n' }}{% endif %}";

static const char template_qwen3[] =
    "{%- if tools %}\n    {{- '<|im_start|>system\134n' }}\n    {%- for tool in tools %}\n  "
     "      {{- \042\134n\042 }}\n        {{- tool | tojson }}\n    {%- endfor %}\n{%- else %"
     "}\n    {%- if messages[0].role == 'system' %}\n        {{- '<|im_start|>system\134n' + "
     "messages[0].content + '<|im_end|>\134n' }}\n    {%- endif %}\n{%- endif %}\n{%- set ns "
     "= namespace(multi_step_tool=true, last_query_index=messages|length - 1) %}\n{%- for mes"
     "sage in messages[::-1] %}\n    {%- set index = (messages|length - 1) - loop.index0 %}\n"
     "    {%- if ns.multi_step_tool and message.role == \042user\042 and message.content is s"
     "tring and not(message.content.startswith('<tool_response>') and message.content.endswit"
     "h('</tool_response>')) %}\n        {%- set ns.multi_step_tool = false %}\n        {%- s"
     "et ns.last_query_index = index %}\n    {%- endif %}\n{%- endfor %}\n{%- for message in "
     "messages %}\n    {%- if message.content is string %}\n        {%- set content = message"
     ".content %}\n    {%- else %}\n        {%- set content = '' %}\n    {%- endif %}\n    {%"
     "- if (message.role == \042user\042) or (message.role == \042system\042 and not loop.fir"
     "st) %}\n        {{- '<|im_start|>' + message.role + '\134n' + content + '<|im_end|>' + "
     "'\134n' }}\n    {%- elif message.role == \042assistant\042 %}\n        {%- set reasonin"
     "g_content = '' %}\n        {%- if message.reasoning_content is string %}\n            {"
     "%- set reasoning_content = message.reasoning_content %}\n        {%- else %}\n         "
     "   {%- if '</think>' in content %}\n                {%- set reasoning_content = content"
     ".split('</think>')[0].rstrip('\134n').split('<think>')[-1].lstrip('\134n') %}\n        "
     "        {%- set content = content.split('</think>')[-1].lstrip('\134n') %}\n           "
     " {%- endif %}\n        {%- endif %}\n        {%- if loop.index0 > ns.last_query_index %"
     "}\n            {%- if loop.last or (not loop.last and reasoning_content) %}\n          "
     "      {{- '<|im_start|>' + message.role + '\134n<think>\134n' + reasoning_content.strip"
     "('\134n') + '\134n</think>\134n\134n' + content.lstrip('\134n') }}\n            {%- els"
     "e %}\n                {{- '<|im_start|>' + message.role + '\134n' + content }}\n       "
     "     {%- endif %}\n        {%- else %}\n            {{- '<|im_start|>' + message.role +"
     " '\134n' + content }}\n        {%- endif %}\n        {{- '<|im_end|>\134n' }}\n    {%- "
     "endif %}\n{%- endfor %}\n{%- if add_generation_prompt %}\n    {{- '<|im_start|>assistan"
     "t\134n' }}\n    {%- if enable_thinking is defined and enable_thinking is false %}\n    "
     "    {{- '<think>\134n\134n</think>\134n\134n' }}\n    {%- endif %}\n{%- endif %}";

static const char template_bitnet[] =
    "{% for message in messages %}{% if loop.first %}{{ bos_token }}{% endif %}{{ message['r"
     "ole'] | capitalize + ': ' + message['content'] | trim + '<|eot_id|>' }}{% endfor %}{% i"
     "f add_generation_prompt %}{{ 'Assistant: ' }}{% endif %}";

static const char template_deepseek[] =
    "{% if not add_generation_prompt is defined %}{% set add_generation_prompt = false %}{% "
     "endif %}{% set ns = namespace(is_first=false, is_tool=false, system_prompt='') %}{%- fo"
     "r message in messages %}{%- if message['role'] == 'system' %}{% set ns.system_prompt = "
     "message['content'] %}{%- endif %}{%- endfor %}{{ bos_token }}{{ ns.system_prompt }}{%- "
     "for message in messages %}{%- if message['role'] == 'user' %}{%- set ns.is_tool = false"
     " -%}{{ '<\357\275\234User\357\275\234>' + message['content'] }}{%- endif %}{%- if messa"
     "ge['role'] == 'assistant' and message['content'] is not none %}{% set content = message"
     "['content'] %}{% if '</think>' in content %}{% set content = content.split('</think>')["
     "-1] %}{% endif %}{{ '<\357\275\234Assistant\357\275\234>' + content + eos_token }}{%- e"
     "ndif %}{%- endfor -%}{% if add_generation_prompt and not ns.is_tool %}{{ '<\357\275\234"
     "Assistant\357\275\234>' }}{% endif %}";

static const char template_macros[] =
    "{%- macro turn(role, text, end='<|end|>') %}\n<|{{ role }}|>{{ text | trim }}{{ end }}\n"
     "{% endmacro %}\n{%- for message in messages %}\n{%- if message.role == 'assistant' %}{%"
     " generation %}{{ turn('bot', message.content, end=eos_token) }}{% endgeneration %}\n{%-"
     " else %}{{ turn(message.role, text=message.content) }}{% endif %}\n{%- endfor %}\n{%- i"
     "f add_generation_prompt %}<|bot|>{% endif %}\n";

static const char template_qwen25[] =
    "{%- if tools %}\n    {{- '<|im_start|>system\134n' }}\n    {%- for tool in tools %}{{- "
     "\042\134n\042 }}{{- tool | tojson }}{%- endfor %}\n{%- else %}\n    {%- if messages and"
     " messages[0]['role'] == 'system' %}\n        {{- '<|im_start|>system\134n' + messages[0"
     "]['content'] + '<|im_end|>\134n' }}\n    {%- else %}\n        {{- '<|im_start|>system\134"
     "nYou help.<|im_end|>\134n' }}\n    {%- endif %}\n{%- endif %}\n{%- for message in messa"
     "ges %}\n    {%- if (message.role == \042user\042) or (message.role == \042system\042 an"
     "d not loop.first) or (message.role == \042assistant\042 and not message.tool_calls) %}\n"
     "        {{- '<|im_start|>' + message.role + '\134n' + message.content + '<|im_end|>' + "
     "'\134n' }}\n    {%- elif message.role == \042assistant\042 %}\n        {%- for tool_cal"
     "l in message.tool_calls %}\n            {%- if tool_call.function is defined %}{%- set "
     "tool_call = tool_call.function %}{%- endif %}\n            {{- '\134n{\042name\042: \042"
     "' }}{{- tool_call.name }}{{- '\042, \042arguments\042: ' }}{{- tool_call.arguments | to"
     "json }}\n        {%- endfor %}\n    {%- elif message.role == \042tool\042 %}\n        {"
     "%- if (loop.index0 == 0) or (messages[loop.index0 - 1].role != \042tool\042) %}{{- '<|i"
     "m_start|>user' }}{%- endif %}\n        {%- if loop.last or (messages[loop.index0 + 1].r"
     "ole != \042tool\042) %}{{- '<|im_end|>\134n' }}{%- endif %}\n    {%- endif %}\n{%- endf"
     "or %}\n{%- if add_generation_prompt %}{{- '<|im_start|>assistant\134n' }}{%- endif %}\n";

static const char template_gemma3[] =
    "{{ bos_token }}\n{%- if messages[0]['role'] == 'system' -%}\n    {%- if messages[0]['co"
     "ntent'] is string -%}\n        {%- set first_user_prefix = messages[0]['content'] + '\134"
     "n\134n' -%}\n    {%- else -%}\n        {%- set first_user_prefix = messages[0]['content"
     "'][0]['text'] + '\134n\134n' -%}\n    {%- endif -%}\n    {%- set loop_messages = messag"
     "es[1:] -%}\n{%- else -%}\n    {%- set first_user_prefix = \042\042 -%}\n    {%- set loo"
     "p_messages = messages -%}\n{%- endif -%}\n{%- for message in loop_messages -%}\n    {%-"
     " if (message['role'] == 'user') != (loop.index0 % 2 == 0) -%}\n        {{ raise_excepti"
     "on(\042Conversation roles must alternate user/assistant/user/assistant/...\042) }}\n   "
     " {%- endif -%}\n    {%- if (message['role'] == 'assistant') -%}{%- set role = \042model"
     "\042 -%}{%- else -%}{%- set role = message['role'] -%}{%- endif -%}\n    {{ '<start_of_"
     "turn>' + role + '\134n' + (first_user_prefix if loop.first else \042\042) }}\n    {%- i"
     "f message['content'] is string -%}\n        {{ message['content'] | trim }}\n    {%- el"
     "if message['content'] is iterable -%}\n        {%- for item in message['content'] -%}\n"
     "            {%- if item['type'] == 'image' -%}{{ '<start_of_image>' }}{%- elif item['ty"
     "pe'] == 'text' -%}{{ item['text'] | trim }}{%- endif -%}\n        {%- endfor -%}\n    {"
     "%- else -%}\n        {{ raise_exception(\042Invalid content type\042) }}\n    {%- endif"
     " -%}\n    {{ '<end_of_turn>\134n' }}\n{%- endfor -%}\n{%- if add_generation_prompt -%}{"
     "{'<start_of_turn>model\134n'}}{%- endif -%}\n";

static const char template_commandr[] =
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages["
     "1:] %}{% set system_message = messages[0]['content'] %}{% elif false == true %}{% set l"
     "oop_messages = messages %}{% set system_message = 'You are large.' %}{% else %}{% set l"
     "oop_messages = messages %}{% set system_message = false %}{% endif %}{% if system_messa"
     "ge != false %}{{ '<|START_OF_TURN_TOKEN|><|SYSTEM_TOKEN|>' + system_message + '<|END_OF"
     "_TURN_TOKEN|>' }}{% endif %}{% for message in loop_messages %}{% set content = message["
     "'content'] %}{% if message['role'] == 'user' %}{{ '<|START_OF_TURN_TOKEN|><|USER_TOKEN|"
     ">' + content.strip() + '<|END_OF_TURN_TOKEN|>' }}{% elif message['role'] == 'assistant'"
     " %}{{ '<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>' + content.strip() + '<|END_OF_TURN_TOK"
     "EN|>' }}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<|START_OF_TURN_TOKEN|"
     "><|CHATBOT_TOKEN|>' }}{% endif %}";

static const char template_mistral7[] =
    "{%- set today = \0422025-01-30\042 %}\n{%- set default_system_message = \042You are a m"
     "odel.\134nToday is \042 + today + \042.\134n\042 %}\n{{- bos_token }}\n{%- if messages "
     "and messages[0]['role'] == 'system' %}\n    {%- if messages[0]['content'] is string %}\n"
     "        {%- set system_message = messages[0]['content'] %}\n    {%- else %}\n        {%"
     "- set system_message = messages[0]['content'][0]['text'] %}\n    {%- endif %}\n    {%- "
     "set loop_messages = messages[1:] %}\n{%- else %}\n    {%- set system_message = default_"
     "system_message %}\n    {%- set loop_messages = messages %}\n{%- endif %}\n{{- '[SYSTEM_"
     "PROMPT]' + system_message + '[/SYSTEM_PROMPT]' }}\n{%- set user_messages = loop_message"
     "s | selectattr(\042role\042, \042equalto\042, \042user\042) | list %}\n{%- for message "
     "in loop_messages | rejectattr(\042role\042, \042equalto\042, \042tool\042) | list %}\n "
     "   {%- if message['role'] == 'user' %}\n        {%- if tools is not none and (message ="
     "= user_messages[-1]) %}{{- \042[AVAILABLE_TOOLS]\042 }}{%- endif %}\n        {%- if mes"
     "sage['content'] is string %}\n            {{- '[INST]' + message['content'] + '[/INST]'"
     " }}\n        {%- else %}\n            {{- '[INST]' }}\n            {%- for block in mes"
     "sage['content'] %}\n                {%- if block['type'] in ['image', 'image_url'] %}{{"
     "- '[IMG]' }}{%- else %}{{- block['text'] }}{%- endif %}\n            {%- endfor %}\n   "
     "         {{- '[/INST]' }}\n        {%- endif %}\n    {%- elif message['role'] == 'assis"
     "tant' %}\n        {{- message['content'] + eos_token }}\n    {%- else %}\n        {{- r"
     "aise_exception('Only user, system and assistant roles are supported!') }}\n    {%- endi"
     "f %}\n{%- endfor %}";

static const char template_granite[] =
    "{%- if messages[0]['role'] == 'system' %}\n    {%- set system_message = messages[0]['co"
     "ntent'] %}\n    {%- set loop_messages = messages[1:] %}\n{%- else %}\n    {%- set syste"
     "m_message = \042Knowledge Cutoff Date: April 2024.\134nYou are Granite.\042 %}\n    {%-"
     " if tools and documents %}\n        {%- set system_message = system_message + \042\134n"
     "\134nUse the tools.\042 %}\n    {%- elif documents %}\n        {%- set system_message ="
     " system_message + \042\134n\134nUse the documents.\042 %}\n    {%- elif thinking %}\n  "
     "      {%- set system_message = system_message + \042\134n\134nThink first.\042 %}\n    "
     "{%- endif %}\n    {%- if 'citations' in controls and documents %}{%- set system_message"
     " = system_message + '\134n\134nCite.' %}{%- endif %}\n    {%- set loop_messages = messa"
     "ges %}\n{%- endif %}\n{{- '<|start_of_role|>system<|end_of_role|>' + system_message + '"
     "<|end_of_text|>\134n' }}\n{%- if documents %}\n    {%- for document in documents %}{{- "
     "'Document ' + loop.index | string + '\134n' + document['text'] }}{%- if not loop.last %"
     "}{{- '\134n\134n' }}{%- endif %}{%- endfor %}\n{%- endif %}\n{%- for message in loop_me"
     "ssages %}\n    {{- '<|start_of_role|>' + message['role'] + '<|end_of_role|>' + message["
     "'content'] + '<|end_of_text|>\134n' }}\n    {%- if loop.last and add_generation_prompt "
     "%}\n        {{- '<|start_of_role|>assistant' }}\n        {%- if controls %}{{- ' ' + co"
     "ntrols | tojson()}}{%- endif %}\n        {{- '<|end_of_role|>' }}\n    {%- endif %}\n{%"
     "- endfor %}";

static const char template_smollm3[] =
    "{#- defaults -#}\n{%- if enable_thinking is not defined -%}{%- set enable_thinking = tr"
     "ue -%}{%- endif -%}\n{%- if enable_thinking -%}{%- set reasoning_mode = \042/think\042 "
     "-%}{%- else -%}{%- set reasoning_mode = \042/no_think\042 -%}{%- endif -%}\n{{- \042<|i"
     "m_start|>system\134n\042 -}}\n{%- if messages[0].role == \042system\042 -%}\n    {%- se"
     "t system_message = messages[0].content -%}\n    {%- if \042/no_think\042 in system_mess"
     "age -%}{%- set reasoning_mode = \042/no_think\042 -%}{%- elif \042/think\042 in system_"
     "message -%}{%- set reasoning_mode = \042/think\042 -%}{%- endif -%}\n    {%- set custom"
     "_instructions = system_message.replace(\042/no_think\042, \042\042).replace(\042/think\042"
     ", \042\042).rstrip() -%}\n{%- endif -%}\n{{- \042Reasoning Mode: \042 + reasoning_mode "
     "+ \042\134n\134n\042 -}}\n{%- if custom_instructions -%}{{- custom_instructions + \042\134"
     "n\134n\042 -}}{%- endif -%}\n{{- \042<|im_end|>\134n\042 -}}\n{%- for message in messag"
     "es -%}\n    {%- set content = message.content if message.content is string else \042\042"
     " -%}\n    {%- if message.role == \042user\042 -%}\n        {{ \042<|im_start|>\042 + me"
     "ssage.role + \042\134n\042 + content + \042<|im_end|>\134n\042 }}\n    {%- elif message"
     ".role == \042assistant\042 -%}\n        {% generation %}\n        {%- if reasoning_mode"
     " == \042/think\042 -%}\n            {{ \042<|im_start|>assistant\134n\042 + content.lst"
     "rip(\042\134n\042) + \042<|im_end|>\134n\042 }}\n        {%- else -%}\n            {{ \042"
     "<|im_start|>assistant\134n\042 + \042<think>\134n\134n</think>\134n\042 + content.lstri"
     "p(\042\134n\042) + \042<|im_end|>\134n\042 }}\n        {%- endif -%}\n        {% endgen"
     "eration %}\n    {%- endif -%}\n{%- endfor -%}\n{%- if add_generation_prompt -%}\n    {%"
     "- if reasoning_mode == \042/think\042 -%}{{ \042<|im_start|>assistant\134n\042 }}{%- el"
     "se -%}{{ \042<|im_start|>assistant\134n\042 + \042<think>\134n\134n</think>\134n\042 }}"
     "{%- endif -%}\n{%- endif -%}";

static const char template_types[] =
    "{%- macro type_of(param) %}\n{%- set map = {\042string\042: \042str\042, \042integer\042"
     ": \042int\042, \042boolean\042: \042bool\042} %}\n{%- if map[param.type] is defined %}{"
     "{- map[param.type] }}\n{%- elif param.type == \042array\042 %}{{- \042list[\042 + type_"
     "of(param[\042items\042]) + \042]\042 }}\n{%- elif param.type == \042object\042 %}\n{%- "
     "if param.additionalProperties is defined %}{{- \042dict[str, \042 + type_of(param.addit"
     "ionalProperties) + \042]\042 }}{%- else %}{{- \042dict\042 }}{%- endif %}\n{%- elif par"
     "am.type is iterable and param.type is not string %}{{- \042Union[\042 }}{%- for t in pa"
     "ram.type %}{{- type_of({\042type\042: t}) }}{%- if not loop.last %}{{- \042,\042 }}{%- "
     "endif %}{%- endfor %}{{- \042]\042 }}\n{%- else %}{{- \042Any\042 }}\n{%- endif %}\n{%-"
     " endmacro %}\n{%- set builtin_tools = [\042search\042, \042code\042] %}\n{{- \042Tools:"
     " \042 + builtin_tools | reject('equalto', 'code') | join(\042, \042) + \042\134n\042 }}"
     "\n{%- for tool in [{\042name\042: \042f\042, \042parameters\042: {\042a\042: {\042type\042"
     ": \042array\042, \042items\042: {\042type\042: \042string\042}}, \042b\042: {\042type\042"
     ": [\042integer\042, \042null\042]}, \042c\042: {\042type\042: \042object\042, \042addit"
     "ionalProperties\042: {\042type\042: \042boolean\042}}}}] %}\n{{- tool.name + \042(\042 "
     "}}\n{%- for name, fields in tool.parameters | items %}{{- name + \042: \042 + type_of(f"
     "ields) }}{%- if not loop.last %}{{- \042, \042 }}{%- endif %}{%- endfor %}\n{{- \042)\134"
     "n\042 }}\n{{- tool | tojson(indent=4) }}\n{%- endfor %}\n{%- for message in messages %}"
     "{{- \042\134n\042 ~ loop.index ~ \042:\042 ~ message.role }}{%- endfor %}";

static const template_row template_rows[] = {
    {"{{ 1 + 2 * 3 }}", 1, 0,
     "7"},
    {"{{ - 3 | string is string }}", 1, 0,
     "True"},
    {"{{ 7 // 2 }}|{{ -7 // 2 }}|{{ 7 // -2 }}|{{ 7 % 3 }}|{{ -7 % 3 }}|{{ 7 % -3 }}", 1, 0,
     "3|-4|-4|1|2|-2"},
    {"{{ 1 < 2 < 3 }}|{{ 1 < 2 > 3 }}|{{ 3 >= 3 > 2 != 1 }}", 1, 0,
     "True|False|True"},
    {"{{ 1 in [1, 2] }}|{{ 'b' in 'abc' }}|{{ '' in 'abc' }}|{{ 'x' not in 'abc' }}|{{ 'a' in"
     " {'a': 1} }}|{{ 3 not in (1, 2) }}|{{ 1 in range(3) }}", 1, 0,
     "True|True|True|True|True|True|True"},
    {"{{ not 1 == 2 }}|{{ not true and false }}|{{ not (true and false) }}|{{ true or false a"
     "nd false }}", 1, 0,
     "True|False|True|True"},
    {"{{ 1 if true else 2 }}|{{ 1 if false else 2 }}|{{ (1 if false) is defined }}|{{ 'x' if "
     "none }}", 1, 0,
     "1|2|False|"},
    {"{{ 0 or 'a' or 'b' }}|{{ 1 and 'a' }}|{{ 0 and 'a' }}|{{ ('' or [] or {})|tojson }}", 1, 0,
     "a|a|0|{}"},
    {"{{ [1, 2, 3][0] }}|{{ [1, 2, 3][-1] }}|{{ [1, 2, 3][5] is defined }}|{{ 'abc'[1] }}|{{ "
     "'abc'[-1] }}|{{ 'abc'[7] is defined }}|{{ '\303\251\346\227\245'[1] }}", 1, 0,
     "1|3|False|b|c|False|\346\227\245"},
    {"{{ ([1, 2, 3][1:])|list|tojson }}|{{ ([1, 2, 3][:-1])|list|tojson }}|{{ ([1, 2, 3][::-1"
     "])|list|tojson }}|{{ ([1, 2, 3][-2:])|list|tojson }}|{{ ([1, 2, 3][5:])|list|tojson }}", 1, 0,
     "[2, 3]|[1, 2]|[3, 2, 1]|[2, 3]|[]"},
    {"{{ 'abcdef'[1:3] }}|{{ 'a\303\251\346\227\245\360\237\230\200x'[1:4] }}|{{ 'abcdef'[-3:"
     "-1] }}|{{ 'abc'[:0] }}|{{ 'abc'[9:] }}|{{ 'abc'[-9:2] }}", 1, 0,
     "bc|\303\251\346\227\245\360\237\230\200|de|||ab"},
    {"{{ (range(5)[1:3] | list)|list|tojson }}|{{ (range(3) | list)|list|tojson }}|{{ (range("
     "2, 8, 3) | list)|list|tojson }}|{{ (range(5, 0, -2) | list)|list|tojson }}|{{ (range(0)"
     " | list)|list|tojson }}", 1, 0,
     "[1, 2]|[0, 1, 2]|[2, 5]|[5, 3, 1]|[]"},
    {"{{ {'a': 1}.a }}|{{ {'a': 1}['a'] }}|{{ {'a': 1}.b is defined }}|{{ {'items': 5}['items"
     "'] }}|{{ {'a': {'b': 2}}.a.b }}", 1, 0,
     "1|1|False|5|2"},
    {"{{ none == none }}|{{ x == y }}|{{ x == none }}", 1, 0,
     "True|True|False"},
    {"{{ ([1,])|list|tojson }}|{{ ((1,))|list|tojson }}|{{ ({'a': 1,})|tojson }}|{{ ([])|list"
     "|tojson }}|{{ (())|list|tojson }}|{{ ({})|tojson }}|{{ (1) }}|{{ (((1, 2), [3, 4]))|lis"
     "t|tojson }}", 1, 0,
     "[1]|[1]|{\042a\042: 1}|[]|[]|{}|1|[[1, 2], [3, 4]]"},
    {"{{ x is defined }}|{{ x is undefined }}|{{ none is defined }}|{{ none is none }}|{{ x i"
     "s none }}|{{ x is not none }}|{{ 1 is not none }}", 1, 0,
     "False|True|True|True|False|True|True"},
    {"{{ 'a' is string }}|{{ 1 is string }}|{{ {} is mapping }}|{{ [] is mapping }}|{{ x is m"
     "apping }}|{{ 1 is number }}|{{ true is number }}|{{ '1' is number }}", 1, 0,
     "True|False|True|False|False|True|True|False"},
    {"{{ 1 is integer }}|{{ true is integer }}|{{ true is boolean }}|{{ 1 is boolean }}|{{ tr"
     "ue is true }}|{{ 1 is true }}|{{ false is false }}|{{ 0 is false }}", 1, 0,
     "True|False|True|False|True|False|True|False"},
    {"{{ [] is iterable }}|{{ 'a' is iterable }}|{{ 1 is iterable }}|{{ x is iterable }}|{{ {"
     "} is iterable }}|{{ none is iterable }}|{{ [] is sequence }}|{{ 'a' is sequence }}|{{ 5"
     " is sequence }}|{{ {} is sequence }}|{{ range(2) is sequence }}", 1, 0,
     "True|True|False|True|True|False|True|True|False|True|True"},
    {"{{ 3 is odd }}|{{ 4 is even }}|{{ 3 is even }}|{{ 9 is divisibleby 3 }}|{{ 9 is divisib"
     "leby(2) }}|{{ 1 is eq 1 }}|{{ 1 is equalto(2) }}|{{ 'a' is ne 'b' }}|{{ 1 is lt 2 }}|{{"
     " 2 is ge 2 }}|{{ 1 is in [1, 2] }}", 1, 0,
     "True|True|False|True|False|True|False|True|True|True|True"},
    {"{{ 1 is eq 1 and 2 is eq 2 }}|{{ 3 is not odd }}|{{ not 3 is odd }}|{{ range is callabl"
     "e }}|{{ x is callable }}", 1, 0,
     "True|False|False|True|True"},
    {"{{ '  a b '|trim }}|{{ '..a.'|trim('.') }}|{{ ' a '|upper }}|{{ 'AbC'|lower }}|{{ 'hELL"
     "O wORLD'|capitalize }}", 1, 0,
     "a b|a| A |abc|Hello world"},
    {"{{ 'hELLO wORLD'.capitalize() }}|{{ 'aB'.upper() }}|{{ 'aB'.lower() }}", 1, 0,
     "Hello world|AB|ab"},
    {"{{ 'abc'|length }}|{{ '\303\251\346\227\245\360\237\230\200'|length }}|{{ [1, 2]|count "
     "}}|{{ {'a': 1}|length }}|{{ x|length }}|{{ range(4)|length }}", 1, 0,
     "3|3|2|1|0|4"},
    {"{{ x|default('d') }}|{{ x|d('d') }}|{{ ''|default('d') }}|{{ ''|default('d', true) }}|{"
     "{ none|default('d') }}|{{ 0|d(1, boolean=true) }}|{{ x|default }}", 1, 0,
     "d|d||d|None|1|"},
    {"{{ [1, 2, 3]|join }}|{{ ['a', 'b']|join(', ') }}|{{ [1, none, 'x']|join('-') }}|{{ {'k'"
     ": 1, 'l': 2}|join(',') }}", 1, 0,
     "123|a, b|1-None-x|k,l"},
    {"{{ [1, 2]|first }}|{{ [1, 2]|last }}|{{ []|first is defined }}|{{ {'a': 1}|first }}", 1, 0,
     "1|2|False|a"},
    {"{{ []|tojson }}|{{ {}|tojson }}|{{ '\303\251'|tojson }}|{{ (1, 2)|tojson }}", 1, 0,
     "[]|{}|\042\303\251\042|[1, 2]"},
    {"{{ {'a': [1, {'b': []}], 'c': {}}|tojson(indent=2) }}", 1, 0,
     "{\n  \042a\042: [\n    1,\n    {\n      \042b\042: []\n    }\n  ],\n  \042c\042: {}\n}"},
    {"{{ {'a': [1, {'b': []}], 'c': {}}|tojson(indent=4) }}|{{ [1]|tojson(ensure_ascii=false)"
     " }}|{{ [[]]|tojson(indent=0) }}", 1, 0,
     "{\n    \042a\042: [\n        1,\n        {\n            \042b\042: []\n        }\n    ]"
     ",\n    \042c\042: {}\n}|[1]|[\n[]\n]"},
    {"{{ 1|string ~ 'a' }}|{{ '12'|int }}|{{ ' -7 '|int }}|{{ 'x'|int }}|{{ 'x'|int(5) }}|{{ "
     "true|int }}|{{ none|int(-1) }}|{{ ''|int }}|{{ '007'|int }}", 1, 0,
     "1a|12|-7|0|5|1|-1|0|7"},
    {"{{ '-0'|int }}", 1, 0,
     "0"},
    {"{{ ({'a': 1}|list)|list|tojson }}|{{ ((1, 2)|list)|list|tojson }}|{{ (range(3)|list)|li"
     "st|tojson }}|{{ (x|list)|list|tojson }}", 1, 0,
     "[\042a\042]|[1, 2]|[0, 1, 2]|[]"},
    {"{{ 'aXbXc'|replace('X', '-') }}|{{ 'aaa'|replace('a', 'b', 2) }}|{{ 'abc'.replace('b', "
     "'') }}|{{ 'aaa'.replace('aa', 'b') }}|{{ 12|replace('1', 'x') }}", 1, 0,
     "a-b-c|bba|ac|ba|x2"},
    {"{{ '<a>'|safe|length }}|{{ ({'a': 1, 'b': 2}|items|list)|list|tojson }}|{{ (x|items|lis"
     "t)|list|tojson }}", 1, 0,
     "3|[[\042a\042, 1], [\042b\042, 2]]|[]"},
    {"{{ [{'a': 1}, {'a': 2}, {}]|map(attribute='a')|list|length }}", 1, 0,
     "3"},
    {"{{ ([1, 0, 2, none]|select|list)|list|tojson }}|{{ ([1, 2, 3, 4]|select('odd')|list)|li"
     "st|tojson }}|{{ ([1, 2, 3]|reject('odd')|list)|list|tojson }}|{{ ([1, 2, 3]|select('gt'"
     ", 1)|list)|list|tojson }}|{{ ([[], [1]]|reject|list)|list|tojson }}", 1, 0,
     "[1, 2]|[1, 3]|[2]|[2, 3]|[[]]"},
    {"{{ messages|selectattr('role', 'equalto', 'system')|list|length }}|{{ messages|rejectat"
     "tr('role', '==', 'system')|map(attribute='role')|join(',') }}|{{ messages|selectattr('c"
     "ontent')|list|length }}|{{ (messages|selectattr('tool', 'defined')|list)|list|tojson }}", 1, 0,
     "1|user,assistant,user|4|[]"},
    {"{{ ([1, 2, 3]|reverse|list)|list|tojson }}", 1, 0,
     "[3, 2, 1]"},
    {"{{ '  a '.strip() ~ '|' }}|{{ '  a '.lstrip() ~ '|' }}|{{ '  a '.rstrip() ~ '|' }}|{{ '"
     "xxaxx'.strip('x') }}|{{ 'abcba'.lstrip('ab') }}|{{ '\303\251\346\227\245\303\251'.strip"
     "('\303\251') }}", 1, 0,
     "a||a ||  a||a|cba|\346\227\245"},
    {"{{ ('a,b,c'.split(','))|list|tojson }}|{{ ('a,b,c'.split(',', 1))|list|tojson }}|{{ ('a"
     "bc'.split('x'))|list|tojson }}|{{ (''.split(','))|list|tojson }}", 1, 0,
     "[\042a\042, \042b\042, \042c\042]|[\042a\042, \042b,c\042]|[\042abc\042]|[\042\042]"},
    {"{{ 'abc'.startswith('ab') }}|{{ 'abc'.endswith('bc') }}|{{ 'abc'.endswith('') }}|{{ ''."
     "startswith('a') }}", 1, 0,
     "True|True|True|False"},
    {"{{ ', '.join(['a', 'b']) }}|{{ ''.join([]) }}", 1, 0,
     "a, b|"},
    {"{{ {'a': 1}.get('a') }}|{{ {'a': 1}.get('b') }}|{{ {'a': 1}.get('b', 2) }}|{{ ({'a': 1}"
     ".items()|list)|list|tojson }}|{{ ({'a': 1}.keys()|list)|list|tojson }}|{{ ({'a': 1}.val"
     "ues()|list)|list|tojson }}|{{ {'a': 1}.items()|length }}", 1, 0,
     "1|None|2|[[\042a\042, 1]]|[\042a\042]|[1]|1"},
    {"{{ (dict(a=1, b='x'))|tojson }}|{{ namespace(a=1).a }}", 1, 0,
     "{\042a\042: 1, \042b\042: \042x\042}|1"},
    {"{{ 'a' if messages|selectattr('role', 'equalto', 'nobody') else 'b' }}", 1, 0,
     "a"},
    {"{{ messages[0].content }}|{{ messages[0]['role'] }}|{{ messages[-1]['role'] }}|{{ messa"
     "ges|length }}|{{ messages[0].name is defined }}|{{ (messages[0])|tojson }}", 1, 0,
     " Be kind. |system|user|4|False|{\042role\042: \042system\042, \042content\042: \042 Be "
     "kind. \042}"},
    {"{{ bos_token }}|{{ eos_token }}|{{ add_generation_prompt }}|{{ tools }}|{{ documents is"
     " none }}|{{ unk_token is defined }}|{{ unk_token }}", 1, 0,
     "<s>|</s>|False|None|True|False|"},
    {"{{ x }}|{{ x ~ 'a' }}|{{ x|join }}|{{ x|trim }}|{{ x|string }}|{{ (x or 'd') }}|{{ x in"
     " [x] }}|{{ 1 in x }}", 1, 0,
     "|a||||d|True|False"},
    {"{{ true }}|{{ True }}|{{ none }}|{{ None }}|{{ false }}|{{ False }}", 1, 0,
     "True|True|None|None|False|False"},
    {"{{ +1 }}|{{ -1 }}|{{ - -1 }}|{{ +-1 }}|{{ -true }}|{{ 5 - -2 }}", 1, 0,
     "1|-1|1|-1|-1|7"},
    {"{{ ((1, 2) + (3,))|list|tojson }}|{{ ([1] + [2])|list|tojson }}|{{ 'a' + 'b' }}|{{ true"
     " + true }}", 1, 0,
     "[1, 2, 3]|[1, 2]|ab|2"},
    {"{{ {'}}': '%}', 'a': '}}'}['}}'] }}", 1, 0,
     "%}"},
    {"{{ 'a' not in 'b' and 1 }}|{{ 1 if 'a' in 'b' else 2 if 0 else 3 }}", 1, 0,
     "1|3"},
    {"{{ \042%s\042 | replace(\042%s\042, \042x\042) }}|{{ ('a' , 'b')[1] }}|{{ 'x'.strip().u"
     "pper()[0].lower() }}", 1, 0,
     "x|b|x"},
    {"plain text", 1, 0,
     "plain text"},
    {"", 1, 0,
     ""},
    {"\n", 1, 0,
     ""},
    {"a\n", 1, 0,
     "a"},
    {"a\n\n", 1, 0,
     "a\n"},
    {"a\015\nb\015c\015\n", 1, 0,
     "a\nb\nc"},
    {"{", 1, 0,
     "{"},
    {"{ {", 1, 0,
     "{ {"},
    {"a{b}c {x", 1, 0,
     "a{b}c {x"},
    {"}} %} #}", 1, 0,
     "}} %} #}"},
    {"a {# comment #} b", 1, 0,
     "a  b"},
    {"a {#- c -#} b", 1, 0,
     "ab"},
    {"a\n  {# c #}\nb", 1, 0,
     "a\nb"},
    {"a\n  {#+ c +#}\nb", 1, 0,
     "a\n  \nb"},
    {"{# {{ x }} {% if %} #}!", 1, 0,
     "!"},
    {"{#-#}x", 1, 0,
     "x"},
    {"{##}x", 1, 0,
     "x"},
    {" {#- - -#} x", 1, 0,
     "x"},
    {"a {#- c +#}\n b", 1, 0,
     "a\n b"},
    {"  {% if true %}\n  x\n  {% endif %}\n  y", 1, 0,
     "  x\n  y"},
    {"  {%+ if true %}\n  x\n  {%+ endif +%}\n  y", 1, 0,
     "    x\n  \n  y"},
    {"a  {%- if true -%}\n\n  x  {%- endif -%}  \n b", 1, 0,
     "axb"},
    {"a  {{- 1 -}}  \n b", 1, 0,
     "a1b"},
    {" {{ 1 }}\n {{+ 2 }}\n\n{{-3}}", 1, 0,
     " 1\n 23"},
    {"x\n\n   {% set a = 1 %}   \n y", 1, 0,
     "x\n\n   \n y"},
    {"\343\200\200{%- set a = 1 -%}\343\200\200x", 1, 0,
     "x"},
    {"a\n\011 \014{% set a = 1 %}b", 1, 0,
     "a\nb"},
    {"\013{% set a = 1 %}b", 1, 0,
     "b"},
    {"{{ 1 }}  {% set a = 1 %}  b", 1, 0,
     "1    b"},
    {"{% set a = 1 %}  {% set a = 1 %}  b", 1, 0,
     "    b"},
    {"{% set a = 1 %}\n  {% set a = 1 %}\n  b", 1, 0,
     "  b"},
    {"{# c #}  {% set a = 1 -%}\n  {% set a = 1 %}\n\nb\n\n", 1, 0,
     "  \nb\n"},
    {"{%- set a = 1 -%}\n  {% set a = 1 %}\n\nb", 1, 0,
     "\nb"},
    {"{%set a=1%}{{a}}{%-set b=a-%}{{b}}", 1, 0,
     "11"},
    {"{{ 1\n+\n2 }}", 1, 0,
     "3"},
    {"{{ \042a\nb\042 }}", 1, 0,
     "a\nb"},
    {"{{ \042a\015\nb\042 }}", 1, 0,
     "a\nb"},
    {"{{ {\042a\042: {\042b\042: 1}}[\042a\042].b}}", 1, 0,
     "1"},
    {"{{ {\042a\042: {\042b\042: {}}}|length }}", 1, 0,
     "1"},
    {"{{ '}}' }}{{ '%}' }}{{ '{{' }}", 1, 0,
     "}}%}{{"},
    {"{% for x in [1, 2, 3] %}{{ x }}{% endfor %}", 1, 0,
     "123"},
    {"{% for x in [] %}a{% else %}none{% endfor %}", 1, 0,
     "none"},
    {"{% for x in nothing %}a{% else %}none{% endfor %}", 1, 0,
     "none"},
    {"{% for x in [1, 2, 3] %}a{% else %}none{% endfor %}", 1, 0,
     "aaa"},
    {"{% for x in range(6) if x % 2 %}{{ loop.index }}{{ x }}{{ loop.length }} {% else %}no{%"
     " endfor %}", 1, 0,
     "113 233 353 "},
    {"{% for x in range(6) if x > 9 %}{{ x }}{% else %}no{% endfor %}", 1, 0,
     "no"},
    {"{% for x in [\042a\042, \042b\042] %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex "
     "}}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.previtem "
     "is defined }}{{ loop.nextitem is defined }}{{ loop.nextitem }}\n{% endfor %}", 1, 0,
     "1021TrueFalse2FalseTrueb\n2110FalseTrue2TrueFalse\n"},
    {"{% for k, v in {\042a\042: 1, \042b\042: 2}.items() %}{{ k }}={{ v }};{% endfor %}", 1, 0,
     "a=1;b=2;"},
    {"{% for k, v in {\042a\042: 1}|items %}{{ k }}={{ v }};{% endfor %}", 1, 0,
     "a=1;"},
    {"{% for k in {\042a\042: 1} %}{{ k }}{% endfor %}", 1, 0,
     "a"},
    {"{% for x in (1, 2) %}{{ x }}{% endfor %}", 1, 0,
     "12"},
    {"{% for x in [1, 2, 3, 4] %}{% if x == 2 %}{% continue %}{% endif %}{% if x == 4 %}{% br"
     "eak %}{% endif %}{{ x }}{% endfor %}!", 1, 0,
     "13!"},
    {"{% for x in [1, 2] %}{% for y in [1, 2, 3] %}{% if y == 2 %}{% break %}{% endif %}{{ x "
     "}}{{ y }}{{ loop.index }} {% endfor %}{{ loop.index }};{% endfor %}", 1, 0,
     "111 1;211 2;"},
    {"{% set x = 1 %}{% for i in [1, 2] %}{{ x }}{% set x = x + 1 %}{{ x }} {% endfor %}{{ x "
     "}}", 1, 0,
     "12 12 1"},
    {"{% set x = 1 %}{% if true %}{% set x = 2 %}{% endif %}{{ x }}", 1, 0,
     "2"},
    {"{% for i in [1] %}{% set y = 5 %}{% endfor %}{{ y is defined }}", 1, 0,
     "False"},
    {"{% set ns = namespace(n=0) %}{% for i in range(5) %}{% set ns.n = ns.n + i %}{% endfor "
     "%}{{ ns.n }}", 1, 0,
     "10"},
    {"{% set ns = namespace() %}{% set ns.a = [1] %}{% set ns.b = ns.a + [2] %}{{ ns.b|tojson"
     " }}{{ ns.c is defined }}", 1, 0,
     "[1, 2]False"},
    {"{% set a, b = (1, 2) %}{{ a }}{{ b }}", 1, 0,
     "12"},
    {"{% set a, b = [3, 4] %}{{ a }}{{ b }}", 1, 0,
     "34"},
    {"{% set x %}a{{ 1 }}b{% endset %}[{{ x }}]{{ x is string }}", 1, 0,
     "[a1b]True"},
    {"{% set x %}{% for i in [1, 2] %}{{ i }}{% endfor %}{% endset %}{{ x }}", 1, 0,
     "12"},
    {"{% set x = 5 %}{% set y %}{% set x = 6 %}{{ x }}{% endset %}{{ y }}{{ x }}", 1, 0,
     "65"},
    {"{% if 0 %}a{% elif 1 %}b{% else %}c{% endif %}", 1, 0,
     "b"},
    {"{% if 0 %}a{% elif \042\042 %}b{% else %}c{% endif %}", 1, 0,
     "c"},
    {"{% if 0 %}a{% elif 1 %}b{% elif 1 %}d{% endif %}", 1, 0,
     "b"},
    {"{% if 1 %}{% if 0 %}a{% else %}b{% endif %}{% else %}c{% endif %}", 1, 0,
     "b"},
    {"{% if 0 %}a{% endif %}", 1, 0,
     ""},
    {"{% if not nothing %}a{% endif %}", 1, 0,
     "a"},
    {"{% if messages | selectattr(\042role\042, \042equalto\042, \042nobody\042) %}a{% endif "
     "%}", 1, 0,
     "a"},
    {"{% if messages | selectattr(\042role\042, \042equalto\042, \042nobody\042) | list %}a{%"
     " else %}b{% endif %}", 1, 0,
     "b"},
    {"{% macro m(a, b=2, c=a) %}{{ a }}{{ b }}{{ c }};{% endmacro %}{{ m(1) }}{{ m(1, 3) }}{{"
     " m(b=5, a=4) }}{{ m() }}{{ m(1, c=9) }}", 1, 0,
     "121;131;454;2;129;"},
    {"{% macro m() %}x{% endmacro %}{{ m() | upper ~ m() }}{{ m is defined }}", 1, 0,
     "XxTrue"},
    {"{% macro f(n) %}{% if n %}{{ n }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(5) }}", 1, 0,
     "54321"},
    {"{% set g = 1 %}{% macro m() %}{{ g }}{{ h }}{% endmacro %}{% set h = 2 %}{{ m() }}{% fo"
     "r g in [7] %}{{ m() }}{% endfor %}", 1, 0,
     "1212"},
    {"{% macro m(x) %}{% set x = x + 1 %}{{ x }}{% endmacro %}{% set x = 5 %}{{ m(1) }}{{ x }"
     "}", 1, 0,
     "25"},
    {"{% macro m(l) -%}\n  {% for x in l -%} {{ x }} {%- if not loop.last %}, {% endif %}{%- "
     "endfor %}\n{%- endmacro %}[{{ m([1, 2, 3]) }}]", 1, 0,
     "[1, 2, 3]"},
    {"a{% generation %}b{{ 1 }}{% endgeneration %}c", 1, 0,
     "ab1c"},
    {"{% for m in messages %}{% generation %}{{ loop.index }}{{ m.role }}{% endgeneration %}{"
     "% endfor %}", 1, 0,
     "1system2user3assistant4user"},
    {"{% for m in messages %}{{ loop.previtem.role if loop.previtem is defined else \042-\042"
     " }}>{{ m.role }} {% endfor %}", 1, 0,
     "->system system>user user>assistant assistant>user "},
    {"{% for message in messages if message.role != \042system\042 %}{{ loop.index0 }}{{ mess"
     "age.role }}{{ loop.last }} {% endfor %}", 1, 0,
     "0userFalse 1assistantFalse 2userTrue "},
    {"{% for m in messages[::-1] %}{{ m.role[0] }}{% endfor %}", 1, 0,
     "uaus"},
    {"{{ messages | map(attribute=\042content\042) | join(\042|\042) }}", 1, 0,
     " Be kind. |Who keeps\nthe lamp\077 | The keeper. |caf\303\251 \346\227\245\346\234\254 "
     "\360\237\230\200 \042<x>\042 it's"},
    {"{{ messages | map(attribute=\042role\042) | list | length }}", 1, 0,
     "4"},
    {"{% for m in messages %}{{ m | tojson }}\n{% endfor %}", 1, 0,
     "{\042role\042: \042system\042, \042content\042: \042 Be kind. \042}\n{\042role\042: \042"
     "user\042, \042content\042: \042Who keeps\134nthe lamp\077 \042}\n{\042role\042: \042ass"
     "istant\042, \042content\042: \042 The keeper. \042}\n{\042role\042: \042user\042, \042c"
     "ontent\042: \042caf\303\251 \346\227\245\346\234\254 \360\237\230\200 \134\042<x>\134\042"
     " it's\042}\n"},
    {"{{ messages | tojson(indent=2) }}", 1, 0,
     "[\n  {\n    \042role\042: \042system\042,\n    \042content\042: \042 Be kind. \042\n  }"
     ",\n  {\n    \042role\042: \042user\042,\n    \042content\042: \042Who keeps\134nthe lam"
     "p\077 \042\n  },\n  {\n    \042role\042: \042assistant\042,\n    \042content\042: \042 "
     "The keeper. \042\n  },\n  {\n    \042role\042: \042user\042,\n    \042content\042: \042"
     "caf\303\251 \346\227\245\346\234\254 \360\237\230\200 \134\042<x>\134\042 it's\042\n  }"
     "\n]"},
    {"{{ strftime_now is defined }}{% if strftime_now is defined %}{{ strftime_now(\042%d\042"
     ") }}{% endif %}", 1, 0,
     "False"},
    {"{% if tools %}{{ tools | nothing }}{% endif %}x", 1, 0,
     "x"},
    {"{% set tools = tools or [] %}{{ tools|tojson }}", 1, 0,
     "[]"},
    {"{% for x in [3] %}{% endfor %}{{ loop is defined }}", 1, 0,
     "False"},
    {"{% for loop_messages in [1] %}{{ loop_messages }}{% endfor %}", 1, 0,
     "1"},
    {"{{ (messages | last).role }}", 1, 0,
     "user"},
    {"{% for a in [1, 2] %}{% for b in [1, 2] %}{% endfor %}{{ loop.index }}{% endfor %}", 1, 0,
     "12"},
    {"{% for i in [1,2] %}{% if loop.first %}{% set y = 1 %}{% endif %}{{ y }},{% endfor %}", 1, 0,
     "1,,"},
    {"{% set x = \042a\042 %}{% for i in [1, 2] %}{% if i == 2 %}{% set x = \042b\042 %}{% en"
     "dif %}{{ x }}{% endfor %}", 1, 0,
     "ab"},
    {"{{ (x.y is defined) if x is defined else \042no\042 }}", 1, 0,
     "no"},
    {"{{ '\346\227\245\346\234\254' }}\303\251", 1, 0,
     "\346\227\245\346\234\254\303\251"},
    {"{{ \042\042 }}{{ none }}{{ nothing }}", 1, 0,
     "None"},
    {template_chatml, 0, 0,
     "<|im_start|>user\nHi<|im_end|>\n"},
    {template_chatml, 0, 1,
     "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"},
    {template_chatml, 1, 0,
     "<|im_start|>system\n Be kind. <|im_end|>\n<|im_start|>user\nWho keeps\nthe lamp\077 <|i"
     "m_end|>\n<|im_start|>assistant\n The keeper. <|im_end|>\n<|im_start|>user\ncaf\303\251 "
     "\346\227\245\346\234\254 \360\237\230\200 \042<x>\042 it's<|im_end|>\n"},
    {template_chatml, 1, 1,
     "<|im_start|>system\n Be kind. <|im_end|>\n<|im_start|>user\nWho keeps\nthe lamp\077 <|i"
     "m_end|>\n<|im_start|>assistant\n The keeper. <|im_end|>\n<|im_start|>user\ncaf\303\251 "
     "\346\227\245\346\234\254 \360\237\230\200 \042<x>\042 it's<|im_end|>\n<|im_start|>assis"
     "tant\n"},
    {template_chatml, 2, 0,
     "<|im_start|>user\nWhat is 6 * 7\077<|im_end|>\n<|im_start|>assistant\n<think>\nsix seve"
     "ns\n</think>\n\n42<|im_end|>\n<|im_start|>user\nAnd 7 * 7\077<|im_end|>\n<|im_start|>as"
     "sistant\n<think>\n\n</think>\n\n49<|im_end|>\n"},
    {template_chatml, 2, 1,
     "<|im_start|>user\nWhat is 6 * 7\077<|im_end|>\n<|im_start|>assistant\n<think>\nsix seve"
     "ns\n</think>\n\n42<|im_end|>\n<|im_start|>user\nAnd 7 * 7\077<|im_end|>\n<|im_start|>as"
     "sistant\n<think>\n\n</think>\n\n49<|im_end|>\n<|im_start|>assistant\n"},
    {template_llama2, 0, 0,
     "<s>[INST] Hi [/INST]"},
    {template_llama2, 0, 1,
     "<s>[INST] Hi [/INST]"},
    {template_llama2, 1, 0,
     "<s>[INST] <<SYS>>\n Be kind. \n<</SYS>>\n\nWho keeps\nthe lamp\077 [/INST] The keeper. "
     "</s><s>[INST] caf\303\251 \346\227\245\346\234\254 \360\237\230\200 \042<x>\042 it's [/"
     "INST]"},
    {template_llama2, 1, 1,
     "<s>[INST] <<SYS>>\n Be kind. \n<</SYS>>\n\nWho keeps\nthe lamp\077 [/INST] The keeper. "
     "</s><s>[INST] caf\303\251 \346\227\245\346\234\254 \360\237\230\200 \042<x>\042 it's [/"
     "INST]"},
    {template_llama2, 2, 0,
     "<s>[INST] What is 6 * 7\077 [/INST] <think>\nsix sevens\n</think>\n\n42 </s><s>[INST] A"
     "nd 7 * 7\077 [/INST] <think>\n\n</think>\n\n49 </s>"},
    {template_llama2, 2, 1,
     "<s>[INST] What is 6 * 7\077 [/INST] <think>\nsix sevens\n</think>\n\n42 </s><s>[INST] A"
     "nd 7 * 7\077 [/INST] <think>\n\n</think>\n\n49 </s>"},
    {template_llama3, 0, 0,
     "<s><|start_header_id|>system<|end_header_id|>\n\nToday Date: 26 Jul 2024\n\n<|eot_id|><"
     "|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>"},
    {template_llama3, 0, 1,
     "<s><|start_header_id|>system<|end_header_id|>\n\nToday Date: 26 Jul 2024\n\n<|eot_id|><"
     "|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|><|start_header_id|>assistant<|en"
     "d_header_id|>\n\n"},
    {template_llama3, 1, 0,
     "<s><|start_header_id|>system<|end_header_id|>\n\nToday Date: 26 Jul 2024\n\nBe kind.<|e"
     "ot_id|><|start_header_id|>user<|end_header_id|>\n\nWho keeps\nthe lamp\077<|eot_id|><|s"
     "tart_header_id|>assistant<|end_header_id|>\n\nThe keeper.<|eot_id|><|start_header_id|>u"
     "ser<|end_header_id|>\n\ncaf\303\251 \346\227\245\346\234\254 \360\237\230\200 \042<x>\042"
     " it's<|eot_id|>"},
    {template_llama3, 1, 1,
     "<s><|start_header_id|>system<|end_header_id|>\n\nToday Date: 26 Jul 2024\n\nBe kind.<|e"
     "ot_id|><|start_header_id|>user<|end_header_id|>\n\nWho keeps\nthe lamp\077<|eot_id|><|s"
     "tart_header_id|>assistant<|end_header_id|>\n\nThe keeper.<|eot_id|><|start_header_id|>u"
     "ser<|end_header_id|>\n\ncaf\303\251 \346\227\245\346\234\254 \360\237\230\200 \042<x>\042"
     " it's<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n"},
    {template_llama3, 2, 0,
     "<s><|start_header_id|>system<|end_header_id|>\n\nToday Date: 26 Jul 2024\n\n<|eot_id|><"
     "|start_header_id|>user<|end_header_id|>\n\nWhat is 6 * 7\077<|eot_id|><|start_header_id"
     "|>assistant<|end_header_id|>\n\n<think>\nsix sevens\n</think>\n\n42<|eot_id|><|start_he"
     "ader_id|>user<|end_header_id|>\n\nAnd 7 * 7\077<|eot_id|><|start_header_id|>assistant<|"
     "end_header_id|>\n\n<think>\n\n</think>\n\n49<|eot_id|>"},
    {template_llama3, 2, 1,
     "<s><|start_header_id|>system<|end_header_id|>\n\nToday Date: 26 Jul 2024\n\n<|eot_id|><"
     "|start_header_id|>user<|end_header_id|>\n\nWhat is 6 * 7\077<|eot_id|><|start_header_id"
     "|>assistant<|end_header_id|>\n\n<think>\nsix sevens\n</think>\n\n42<|eot_id|><|start_he"
     "ader_id|>user<|end_header_id|>\n\nAnd 7 * 7\077<|eot_id|><|start_header_id|>assistant<|"
     "end_header_id|>\n\n<think>\n\n</think>\n\n49<|eot_id|><|start_header_id|>assistant<|end"
     "_header_id|>\n\n"},
    {template_zephyr, 0, 0,
     "<|user|>\nHi</s>\n"},
    {template_zephyr, 0, 1,
     "<|user|>\nHi</s>\n<|assistant|>\n"},
    {template_zephyr, 1, 0,
     "<|system|>\n Be kind. </s>\n<|user|>\nWho keeps\nthe lamp\077 </s>\n<|assistant|>\n The"
     " keeper. </s>\n<|user|>\ncaf\303\251 \346\227\245\346\234\254 \360\237\230\200 \042<x>\042"
     " it's</s>\n"},
    {template_zephyr, 1, 1,
     "<|system|>\n Be kind. </s>\n<|user|>\nWho keeps\nthe lamp\077 </s>\n<|assistant|>\n The"
     " keeper. </s>\n<|user|>\ncaf\303\251 \346\227\245\346\234\254 \360\237\230\200 \042<x>\042"
     " it's</s>\n<|assistant|>\n"},
    {template_zephyr, 2, 0,
     "<|user|>\nWhat is 6 * 7\077</s>\n<|assistant|>\n<think>\nsix sevens\n</think>\n\n42</s>"
     "\n<|user|>\nAnd 7 * 7\077</s>\n<|assistant|>\n<think>\n\n</think>\n\n49</s>\n"},
    {template_zephyr, 2, 1,
     "<|user|>\nWhat is 6 * 7\077</s>\n<|assistant|>\n<think>\nsix sevens\n</think>\n\n42</s>"
     "\n<|user|>\nAnd 7 * 7\077</s>\n<|assistant|>\n<think>\n\n</think>\n\n49</s>\n<|assistan"
     "t|>\n"},
    {template_gemma, 0, 0,
     "<s><start_of_turn>user\nHi<end_of_turn>\n"},
    {template_gemma, 0, 1,
     "<s><start_of_turn>user\nHi<end_of_turn>\n<start_of_turn>model\n"},
    {template_gemma, 1, 0,
     "<s><start_of_turn>user\nWho keeps\nthe lamp\077<end_of_turn>\n<start_of_turn>model\nThe"
     " keeper.<end_of_turn>\n<start_of_turn>user\ncaf\303\251 \346\227\245\346\234\254 \360\237"
     "\230\200 \042<x>\042 it's<end_of_turn>\n"},
    {template_gemma, 1, 1,
     "<s><start_of_turn>user\nWho keeps\nthe lamp\077<end_of_turn>\n<start_of_turn>model\nThe"
     " keeper.<end_of_turn>\n<start_of_turn>user\ncaf\303\251 \346\227\245\346\234\254 \360\237"
     "\230\200 \042<x>\042 it's<end_of_turn>\n<start_of_turn>model\n"},
    {template_gemma, 2, 0,
     "<s><start_of_turn>user\nWhat is 6 * 7\077<end_of_turn>\n<start_of_turn>model\n<think>\n"
     "six sevens\n</think>\n\n42<end_of_turn>\n<start_of_turn>user\nAnd 7 * 7\077<end_of_turn"
     ">\n<start_of_turn>model\n<think>\n\n</think>\n\n49<end_of_turn>\n"},
    {template_gemma, 2, 1,
     "<s><start_of_turn>user\nWhat is 6 * 7\077<end_of_turn>\n<start_of_turn>model\n<think>\n"
     "six sevens\n</think>\n\n42<end_of_turn>\n<start_of_turn>user\nAnd 7 * 7\077<end_of_turn"
     ">\n<start_of_turn>model\n<think>\n\n</think>\n\n49<end_of_turn>\n<start_of_turn>model\n"},
    {template_mistral, 0, 0,
     "<s>[INST] Hi[/INST]"},
    {template_mistral, 0, 1,
     "<s>[INST] Hi[/INST]"},
    {template_mistral, 1, 0,
     "<s>[INST] Who keeps\nthe lamp\077 [/INST] The keeper.</s>[INST]  Be kind. \n\ncaf\303\251"
     " \346\227\245\346\234\254 \360\237\230\200 \042<x>\042 it's[/INST]"},
    {template_mistral, 1, 1,
     "<s>[INST] Who keeps\nthe lamp\077 [/INST] The keeper.</s>[INST]  Be kind. \n\ncaf\303\251"
     " \346\227\245\346\234\254 \360\237\230\200 \042<x>\042 it's[/INST]"},
    {template_mistral, 2, 0,
     "<s>[INST] What is 6 * 7\077[/INST] <think>\nsix sevens\n</think>\n\n42</s>[INST] And 7 "
     "* 7\077[/INST] <think>\n\n</think>\n\n49</s>"},
    {template_mistral, 2, 1,
     "<s>[INST] What is 6 * 7\077[/INST] <think>\nsix sevens\n</think>\n\n42</s>[INST] And 7 "
     "* 7\077[/INST] <think>\n\n</think>\n\n49</s>"},
    {template_phi, 0, 0,
     "<|user|>\nHi<|end|>\n</s>"},
    {template_phi, 0, 1,
     "<|user|>\nHi<|end|>\n<|assistant|>\n"},
    {template_phi, 1, 0,
     "<|system|>\n Be kind. <|end|>\n<|user|>\nWho keeps\nthe lamp\077 <|end|>\n<|assistant|>"
     "\n The keeper. <|end|>\n<|user|>\ncaf\303\251 \346\227\245\346\234\254 \360\237\230\200"
     " \042<x>\042 it's<|end|>\n</s>"},
    {template_phi, 1, 1,
     "<|system|>\n Be kind. <|end|>\n<|user|>\nWho keeps\nthe lamp\077 <|end|>\n<|assistant|>"
     "\n The keeper. <|end|>\n<|user|>\ncaf\303\251 \346\227\245\346\234\254 \360\237\230\200"
     " \042<x>\042 it's<|end|>\n<|assistant|>\n"},
    {template_phi, 2, 0,
     "<|user|>\nWhat is 6 * 7\077<|end|>\n<|assistant|>\n<think>\nsix sevens\n</think>\n\n42<"
     "|end|>\n<|user|>\nAnd 7 * 7\077<|end|>\n<|assistant|>\n<think>\n\n</think>\n\n49<|end|>"
     "\n</s>"},
    {template_phi, 2, 1,
     "<|user|>\nWhat is 6 * 7\077<|end|>\n<|assistant|>\n<think>\nsix sevens\n</think>\n\n42<"
     "|end|>\n<|user|>\nAnd 7 * 7\077<|end|>\n<|assistant|>\n<think>\n\n</think>\n\n49<|end|>"
     "\n<|assistant|>\n"},
    {template_falcon, 0, 0,
     "User: Hi"},
    {template_falcon, 0, 1,
     "User: Hi\n\nAssistant:"},
    {template_falcon, 1, 0,
     "System: Be kind.\n\nUser: Who keeps\nthe lamp\077\n\nAssistant: The keeper.\n\nUser: ca"
     "f\303\251 \346\227\245\346\234\254 \360\237\230\200 \042<x>\042 it's"},
    {template_falcon, 1, 1,
     "System: Be kind.\n\nUser: Who keeps\nthe lamp\077\n\nAssistant: The keeper.\n\nUser: ca"
     "f\303\251 \346\227\245\346\234\254 \360\237\230\200 \042<x>\042 it's\n\nAssistant:"},
    {template_falcon, 2, 0,
     "User: What is 6 * 7\077\n\nAssistant: <think>\nsix sevens\n</think>\n42\n\nUser: And 7 "
     "* 7\077\n\nAssistant: <think>\n</think>\n49"},
    {template_falcon, 2, 1,
     "User: What is 6 * 7\077\n\nAssistant: <think>\nsix sevens\n</think>\n42\n\nUser: And 7 "
     "* 7\077\n\nAssistant: <think>\n</think>\n49\n\nAssistant:"},
    {template_qwen2, 0, 0,
     "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\nHi<|im_en"
     "d|>\n"},
    {template_qwen2, 0, 1,
     "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\nHi<|im_en"
     "d|>\n<|im_start|>assistant\n"},
    {template_qwen2, 1, 0,
     "<|im_start|>system\n Be kind. <|im_end|>\n<|im_start|>user\nWho keeps\nthe lamp\077 <|i"
     "m_end|>\n<|im_start|>assistant\n The keeper. <|im_end|>\n<|im_start|>user\ncaf\303\251 "
     "\346\227\245\346\234\254 \360\237\230\200 \042<x>\042 it's<|im_end|>\n"},
    {template_qwen2, 1, 1,
     "<|im_start|>system\n Be kind. <|im_end|>\n<|im_start|>user\nWho keeps\nthe lamp\077 <|i"
     "m_end|>\n<|im_start|>assistant\n The keeper. <|im_end|>\n<|im_start|>user\ncaf\303\251 "
     "\346\227\245\346\234\254 \360\237\230\200 \042<x>\042 it's<|im_end|>\n<|im_start|>assis"
     "tant\n"},
    {template_qwen2, 2, 0,
     "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\nWhat is 6"
     " * 7\077<|im_end|>\n<|im_start|>assistant\n<think>\nsix sevens\n</think>\n\n42<|im_end|"
     ">\n<|im_start|>user\nAnd 7 * 7\077<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think"
     ">\n\n49<|im_end|>\n"},
    {template_qwen2, 2, 1,
     "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\nWhat is 6"
     " * 7\077<|im_end|>\n<|im_start|>assistant\n<think>\nsix sevens\n</think>\n\n42<|im_end|"
     ">\n<|im_start|>user\nAnd 7 * 7\077<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think"
     ">\n\n49<|im_end|>\n<|im_start|>assistant\n"},
    {template_qwen3, 0, 0,
     "<|im_start|>user\nHi<|im_end|>\n"},
    {template_qwen3, 0, 1,
     "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"},
    {template_qwen3, 1, 0,
     "<|im_start|>system\n Be kind. <|im_end|>\n<|im_start|>user\nWho keeps\nthe lamp\077 <|i"
     "m_end|>\n<|im_start|>assistant\n The keeper. <|im_end|>\n<|im_start|>user\ncaf\303\251 "
     "\346\227\245\346\234\254 \360\237\230\200 \042<x>\042 it's<|im_end|>\n"},
    {template_qwen3, 1, 1,
     "<|im_start|>system\n Be kind. <|im_end|>\n<|im_start|>user\nWho keeps\nthe lamp\077 <|i"
     "m_end|>\n<|im_start|>assistant\n The keeper. <|im_end|>\n<|im_start|>user\ncaf\303\251 "
     "\346\227\245\346\234\254 \360\237\230\200 \042<x>\042 it's<|im_end|>\n<|im_start|>assis"
     "tant\n"},
    {template_qwen3, 2, 0,
     "<|im_start|>user\nWhat is 6 * 7\077<|im_end|>\n<|im_start|>assistant\n42<|im_end|>\n<|i"
     "m_start|>user\nAnd 7 * 7\077<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n4"
     "9<|im_end|>\n"},
    {template_qwen3, 2, 1,
     "<|im_start|>user\nWhat is 6 * 7\077<|im_end|>\n<|im_start|>assistant\n42<|im_end|>\n<|i"
     "m_start|>user\nAnd 7 * 7\077<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n4"
     "9<|im_end|>\n<|im_start|>assistant\n"},
    {template_bitnet, 0, 0,
     "<s>User: Hi<|eot_id|>"},
    {template_bitnet, 0, 1,
     "<s>User: Hi<|eot_id|>Assistant: "},
    {template_bitnet, 1, 0,
     "<s>System: Be kind.<|eot_id|>User: Who keeps\nthe lamp\077<|eot_id|>Assistant: The keep"
     "er.<|eot_id|>User: caf\303\251 \346\227\245\346\234\254 \360\237\230\200 \042<x>\042 it"
     "'s<|eot_id|>"},
    {template_bitnet, 1, 1,
     "<s>System: Be kind.<|eot_id|>User: Who keeps\nthe lamp\077<|eot_id|>Assistant: The keep"
     "er.<|eot_id|>User: caf\303\251 \346\227\245\346\234\254 \360\237\230\200 \042<x>\042 it"
     "'s<|eot_id|>Assistant: "},
    {template_bitnet, 2, 0,
     "<s>User: What is 6 * 7\077<|eot_id|>Assistant: <think>\nsix sevens\n</think>\n\n42<|eot"
     "_id|>User: And 7 * 7\077<|eot_id|>Assistant: <think>\n\n</think>\n\n49<|eot_id|>"},
    {template_bitnet, 2, 1,
     "<s>User: What is 6 * 7\077<|eot_id|>Assistant: <think>\nsix sevens\n</think>\n\n42<|eot"
     "_id|>User: And 7 * 7\077<|eot_id|>Assistant: <think>\n\n</think>\n\n49<|eot_id|>Assista"
     "nt: "},
    {template_deepseek, 0, 0,
     "<s><\357\275\234User\357\275\234>Hi"},
    {template_deepseek, 0, 1,
     "<s><\357\275\234User\357\275\234>Hi<\357\275\234Assistant\357\275\234>"},
    {template_deepseek, 1, 0,
     "<s> Be kind. <\357\275\234User\357\275\234>Who keeps\nthe lamp\077 <\357\275\234Assista"
     "nt\357\275\234> The keeper. </s><\357\275\234User\357\275\234>caf\303\251 \346\227\245\346"
     "\234\254 \360\237\230\200 \042<x>\042 it's"},
    {template_deepseek, 1, 1,
     "<s> Be kind. <\357\275\234User\357\275\234>Who keeps\nthe lamp\077 <\357\275\234Assista"
     "nt\357\275\234> The keeper. </s><\357\275\234User\357\275\234>caf\303\251 \346\227\245\346"
     "\234\254 \360\237\230\200 \042<x>\042 it's<\357\275\234Assistant\357\275\234>"},
    {template_deepseek, 2, 0,
     "<s><\357\275\234User\357\275\234>What is 6 * 7\077<\357\275\234Assistant\357\275\234>\n"
     "\n42</s><\357\275\234User\357\275\234>And 7 * 7\077<\357\275\234Assistant\357\275\234>\n"
     "\n49</s>"},
    {template_deepseek, 2, 1,
     "<s><\357\275\234User\357\275\234>What is 6 * 7\077<\357\275\234Assistant\357\275\234>\n"
     "\n42</s><\357\275\234User\357\275\234>And 7 * 7\077<\357\275\234Assistant\357\275\234>\n"
     "\n49</s><\357\275\234Assistant\357\275\234>"},
    {template_macros, 0, 0,
     "<|user|>Hi<|end|>\n"},
    {template_macros, 0, 1,
     "<|user|>Hi<|end|>\n<|bot|>"},
    {template_macros, 1, 0,
     "<|system|>Be kind.<|end|>\n<|user|>Who keeps\nthe lamp\077<|end|>\n<|bot|>The keeper.</"
     "s>\n<|user|>caf\303\251 \346\227\245\346\234\254 \360\237\230\200 \042<x>\042 it's<|end"
     "|>\n"},
    {template_macros, 1, 1,
     "<|system|>Be kind.<|end|>\n<|user|>Who keeps\nthe lamp\077<|end|>\n<|bot|>The keeper.</"
     "s>\n<|user|>caf\303\251 \346\227\245\346\234\254 \360\237\230\200 \042<x>\042 it's<|end"
     "|>\n<|bot|>"},
    {template_macros, 2, 0,
     "<|user|>What is 6 * 7\077<|end|>\n<|bot|><think>\nsix sevens\n</think>\n\n42</s>\n<|use"
     "r|>And 7 * 7\077<|end|>\n<|bot|><think>\n\n</think>\n\n49</s>\n"},
    {template_macros, 2, 1,
     "<|user|>What is 6 * 7\077<|end|>\n<|bot|><think>\nsix sevens\n</think>\n\n42</s>\n<|use"
     "r|>And 7 * 7\077<|end|>\n<|bot|><think>\n\n</think>\n\n49</s>\n<|bot|>"},
    {template_qwen25, 0, 0,
     "<|im_start|>system\nYou help.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n"},
    {template_qwen25, 0, 1,
     "<|im_start|>system\nYou help.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>as"
     "sistant\n"},
    {template_qwen25, 1, 0,
     "<|im_start|>system\n Be kind. <|im_end|>\n<|im_start|>user\nWho keeps\nthe lamp\077 <|i"
     "m_end|>\n<|im_start|>assistant\n The keeper. <|im_end|>\n<|im_start|>user\ncaf\303\251 "
     "\346\227\245\346\234\254 \360\237\230\200 \042<x>\042 it's<|im_end|>\n"},
    {template_qwen25, 1, 1,
     "<|im_start|>system\n Be kind. <|im_end|>\n<|im_start|>user\nWho keeps\nthe lamp\077 <|i"
     "m_end|>\n<|im_start|>assistant\n The keeper. <|im_end|>\n<|im_start|>user\ncaf\303\251 "
     "\346\227\245\346\234\254 \360\237\230\200 \042<x>\042 it's<|im_end|>\n<|im_start|>assis"
     "tant\n"},
    {template_qwen25, 2, 0,
     "<|im_start|>system\nYou help.<|im_end|>\n<|im_start|>user\nWhat is 6 * 7\077<|im_end|>\n"
     "<|im_start|>assistant\n<think>\nsix sevens\n</think>\n\n42<|im_end|>\n<|im_start|>user\n"
     "And 7 * 7\077<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n49<|im_end|>\n"},
    {template_qwen25, 2, 1,
     "<|im_start|>system\nYou help.<|im_end|>\n<|im_start|>user\nWhat is 6 * 7\077<|im_end|>\n"
     "<|im_start|>assistant\n<think>\nsix sevens\n</think>\n\n42<|im_end|>\n<|im_start|>user\n"
     "And 7 * 7\077<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n49<|im_end|>\n<|"
     "im_start|>assistant\n"},
    {template_gemma3, 0, 0,
     "<s><start_of_turn>user\nHi<end_of_turn>\n"},
    {template_gemma3, 0, 1,
     "<s><start_of_turn>user\nHi<end_of_turn>\n<start_of_turn>model\n"},
    {template_gemma3, 1, 0,
     "<s><start_of_turn>user\n Be kind. \n\nWho keeps\nthe lamp\077<end_of_turn>\n<start_of_t"
     "urn>model\nThe keeper.<end_of_turn>\n<start_of_turn>user\ncaf\303\251 \346\227\245\346\234"
     "\254 \360\237\230\200 \042<x>\042 it's<end_of_turn>\n"},
    {template_gemma3, 1, 1,
     "<s><start_of_turn>user\n Be kind. \n\nWho keeps\nthe lamp\077<end_of_turn>\n<start_of_t"
     "urn>model\nThe keeper.<end_of_turn>\n<start_of_turn>user\ncaf\303\251 \346\227\245\346\234"
     "\254 \360\237\230\200 \042<x>\042 it's<end_of_turn>\n<start_of_turn>model\n"},
    {template_gemma3, 2, 0,
     "<s><start_of_turn>user\nWhat is 6 * 7\077<end_of_turn>\n<start_of_turn>model\n<think>\n"
     "six sevens\n</think>\n\n42<end_of_turn>\n<start_of_turn>user\nAnd 7 * 7\077<end_of_turn"
     ">\n<start_of_turn>model\n<think>\n\n</think>\n\n49<end_of_turn>\n"},
    {template_gemma3, 2, 1,
     "<s><start_of_turn>user\nWhat is 6 * 7\077<end_of_turn>\n<start_of_turn>model\n<think>\n"
     "six sevens\n</think>\n\n42<end_of_turn>\n<start_of_turn>user\nAnd 7 * 7\077<end_of_turn"
     ">\n<start_of_turn>model\n<think>\n\n</think>\n\n49<end_of_turn>\n<start_of_turn>model\n"},
    {template_commandr, 0, 0,
     "<s><|START_OF_TURN_TOKEN|><|USER_TOKEN|>Hi<|END_OF_TURN_TOKEN|>"},
    {template_commandr, 0, 1,
     "<s><|START_OF_TURN_TOKEN|><|USER_TOKEN|>Hi<|END_OF_TURN_TOKEN|><|START_OF_TURN_TOKEN|><"
     "|CHATBOT_TOKEN|>"},
    {template_commandr, 1, 0,
     "<s><|START_OF_TURN_TOKEN|><|SYSTEM_TOKEN|> Be kind. <|END_OF_TURN_TOKEN|><|START_OF_TUR"
     "N_TOKEN|><|USER_TOKEN|>Who keeps\nthe lamp\077<|END_OF_TURN_TOKEN|><|START_OF_TURN_TOKE"
     "N|><|CHATBOT_TOKEN|>The keeper.<|END_OF_TURN_TOKEN|><|START_OF_TURN_TOKEN|><|USER_TOKEN"
     "|>caf\303\251 \346\227\245\346\234\254 \360\237\230\200 \042<x>\042 it's<|END_OF_TURN_T"
     "OKEN|>"},
    {template_commandr, 1, 1,
     "<s><|START_OF_TURN_TOKEN|><|SYSTEM_TOKEN|> Be kind. <|END_OF_TURN_TOKEN|><|START_OF_TUR"
     "N_TOKEN|><|USER_TOKEN|>Who keeps\nthe lamp\077<|END_OF_TURN_TOKEN|><|START_OF_TURN_TOKE"
     "N|><|CHATBOT_TOKEN|>The keeper.<|END_OF_TURN_TOKEN|><|START_OF_TURN_TOKEN|><|USER_TOKEN"
     "|>caf\303\251 \346\227\245\346\234\254 \360\237\230\200 \042<x>\042 it's<|END_OF_TURN_T"
     "OKEN|><|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>"},
    {template_commandr, 2, 0,
     "<s><|START_OF_TURN_TOKEN|><|USER_TOKEN|>What is 6 * 7\077<|END_OF_TURN_TOKEN|><|START_O"
     "F_TURN_TOKEN|><|CHATBOT_TOKEN|><think>\nsix sevens\n</think>\n\n42<|END_OF_TURN_TOKEN|>"
     "<|START_OF_TURN_TOKEN|><|USER_TOKEN|>And 7 * 7\077<|END_OF_TURN_TOKEN|><|START_OF_TURN_"
     "TOKEN|><|CHATBOT_TOKEN|><think>\n\n</think>\n\n49<|END_OF_TURN_TOKEN|>"},
    {template_commandr, 2, 1,
     "<s><|START_OF_TURN_TOKEN|><|USER_TOKEN|>What is 6 * 7\077<|END_OF_TURN_TOKEN|><|START_O"
     "F_TURN_TOKEN|><|CHATBOT_TOKEN|><think>\nsix sevens\n</think>\n\n42<|END_OF_TURN_TOKEN|>"
     "<|START_OF_TURN_TOKEN|><|USER_TOKEN|>And 7 * 7\077<|END_OF_TURN_TOKEN|><|START_OF_TURN_"
     "TOKEN|><|CHATBOT_TOKEN|><think>\n\n</think>\n\n49<|END_OF_TURN_TOKEN|><|START_OF_TURN_T"
     "OKEN|><|CHATBOT_TOKEN|>"},
    {template_mistral7, 0, 0,
     "<s>[SYSTEM_PROMPT]You are a model.\nToday is 2025-01-30.\n[/SYSTEM_PROMPT][INST]Hi[/INS"
     "T]"},
    {template_mistral7, 0, 1,
     "<s>[SYSTEM_PROMPT]You are a model.\nToday is 2025-01-30.\n[/SYSTEM_PROMPT][INST]Hi[/INS"
     "T]"},
    {template_mistral7, 1, 0,
     "<s>[SYSTEM_PROMPT] Be kind. [/SYSTEM_PROMPT][INST]Who keeps\nthe lamp\077 [/INST] The k"
     "eeper. </s>[INST]caf\303\251 \346\227\245\346\234\254 \360\237\230\200 \042<x>\042 it's"
     "[/INST]"},
    {template_mistral7, 1, 1,
     "<s>[SYSTEM_PROMPT] Be kind. [/SYSTEM_PROMPT][INST]Who keeps\nthe lamp\077 [/INST] The k"
     "eeper. </s>[INST]caf\303\251 \346\227\245\346\234\254 \360\237\230\200 \042<x>\042 it's"
     "[/INST]"},
    {template_mistral7, 2, 0,
     "<s>[SYSTEM_PROMPT]You are a model.\nToday is 2025-01-30.\n[/SYSTEM_PROMPT][INST]What is"
     " 6 * 7\077[/INST]<think>\nsix sevens\n</think>\n\n42</s>[INST]And 7 * 7\077[/INST]<thin"
     "k>\n\n</think>\n\n49</s>"},
    {template_mistral7, 2, 1,
     "<s>[SYSTEM_PROMPT]You are a model.\nToday is 2025-01-30.\n[/SYSTEM_PROMPT][INST]What is"
     " 6 * 7\077[/INST]<think>\nsix sevens\n</think>\n\n42</s>[INST]And 7 * 7\077[/INST]<thin"
     "k>\n\n</think>\n\n49</s>"},
    {template_granite, 0, 0,
     "<|start_of_role|>system<|end_of_role|>Knowledge Cutoff Date: April 2024.\nYou are Grani"
     "te.<|end_of_text|>\n<|start_of_role|>user<|end_of_role|>Hi<|end_of_text|>\n"},
    {template_granite, 0, 1,
     "<|start_of_role|>system<|end_of_role|>Knowledge Cutoff Date: April 2024.\nYou are Grani"
     "te.<|end_of_text|>\n<|start_of_role|>user<|end_of_role|>Hi<|end_of_text|>\n<|start_of_r"
     "ole|>assistant<|end_of_role|>"},
    {template_granite, 1, 0,
     "<|start_of_role|>system<|end_of_role|> Be kind. <|end_of_text|>\n<|start_of_role|>user<"
     "|end_of_role|>Who keeps\nthe lamp\077 <|end_of_text|>\n<|start_of_role|>assistant<|end_"
     "of_role|> The keeper. <|end_of_text|>\n<|start_of_role|>user<|end_of_role|>caf\303\251 "
     "\346\227\245\346\234\254 \360\237\230\200 \042<x>\042 it's<|end_of_text|>\n"},
    {template_granite, 1, 1,
     "<|start_of_role|>system<|end_of_role|> Be kind. <|end_of_text|>\n<|start_of_role|>user<"
     "|end_of_role|>Who keeps\nthe lamp\077 <|end_of_text|>\n<|start_of_role|>assistant<|end_"
     "of_role|> The keeper. <|end_of_text|>\n<|start_of_role|>user<|end_of_role|>caf\303\251 "
     "\346\227\245\346\234\254 \360\237\230\200 \042<x>\042 it's<|end_of_text|>\n<|start_of_r"
     "ole|>assistant<|end_of_role|>"},
    {template_granite, 2, 0,
     "<|start_of_role|>system<|end_of_role|>Knowledge Cutoff Date: April 2024.\nYou are Grani"
     "te.<|end_of_text|>\n<|start_of_role|>user<|end_of_role|>What is 6 * 7\077<|end_of_text|"
     ">\n<|start_of_role|>assistant<|end_of_role|><think>\nsix sevens\n</think>\n\n42<|end_of"
     "_text|>\n<|start_of_role|>user<|end_of_role|>And 7 * 7\077<|end_of_text|>\n<|start_of_r"
     "ole|>assistant<|end_of_role|><think>\n\n</think>\n\n49<|end_of_text|>\n"},
    {template_granite, 2, 1,
     "<|start_of_role|>system<|end_of_role|>Knowledge Cutoff Date: April 2024.\nYou are Grani"
     "te.<|end_of_text|>\n<|start_of_role|>user<|end_of_role|>What is 6 * 7\077<|end_of_text|"
     ">\n<|start_of_role|>assistant<|end_of_role|><think>\nsix sevens\n</think>\n\n42<|end_of"
     "_text|>\n<|start_of_role|>user<|end_of_role|>And 7 * 7\077<|end_of_text|>\n<|start_of_r"
     "ole|>assistant<|end_of_role|><think>\n\n</think>\n\n49<|end_of_text|>\n<|start_of_role|"
     ">assistant<|end_of_role|>"},
    {template_smollm3, 0, 0,
     "<|im_start|>system\nReasoning Mode: /think\n\n<|im_end|>\n<|im_start|>user\nHi<|im_end|"
     ">\n"},
    {template_smollm3, 0, 1,
     "<|im_start|>system\nReasoning Mode: /think\n\n<|im_end|>\n<|im_start|>user\nHi<|im_end|"
     ">\n<|im_start|>assistant\n"},
    {template_smollm3, 1, 0,
     "<|im_start|>system\nReasoning Mode: /think\n\n Be kind.\n\n<|im_end|>\n<|im_start|>user"
     "\nWho keeps\nthe lamp\077 <|im_end|>\n<|im_start|>assistant\n The keeper. <|im_end|>\n<"
     "|im_start|>user\ncaf\303\251 \346\227\245\346\234\254 \360\237\230\200 \042<x>\042 it's"
     "<|im_end|>\n"},
    {template_smollm3, 1, 1,
     "<|im_start|>system\nReasoning Mode: /think\n\n Be kind.\n\n<|im_end|>\n<|im_start|>user"
     "\nWho keeps\nthe lamp\077 <|im_end|>\n<|im_start|>assistant\n The keeper. <|im_end|>\n<"
     "|im_start|>user\ncaf\303\251 \346\227\245\346\234\254 \360\237\230\200 \042<x>\042 it's"
     "<|im_end|>\n<|im_start|>assistant\n"},
    {template_smollm3, 2, 0,
     "<|im_start|>system\nReasoning Mode: /think\n\n<|im_end|>\n<|im_start|>user\nWhat is 6 *"
     " 7\077<|im_end|>\n<|im_start|>assistant\n<think>\nsix sevens\n</think>\n\n42<|im_end|>\n"
     "<|im_start|>user\nAnd 7 * 7\077<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n"
     "\n49<|im_end|>\n"},
    {template_smollm3, 2, 1,
     "<|im_start|>system\nReasoning Mode: /think\n\n<|im_end|>\n<|im_start|>user\nWhat is 6 *"
     " 7\077<|im_end|>\n<|im_start|>assistant\n<think>\nsix sevens\n</think>\n\n42<|im_end|>\n"
     "<|im_start|>user\nAnd 7 * 7\077<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n"
     "\n49<|im_end|>\n<|im_start|>assistant\n"},
    {template_types, 1, 0,
     "Tools: search\nf(a: list[str], b: Union[int,Any], c: dict[str, bool])\n{\n    \042name\042"
     ": \042f\042,\n    \042parameters\042: {\n        \042a\042: {\n            \042type\042"
     ": \042array\042,\n            \042items\042: {\n                \042type\042: \042strin"
     "g\042\n            }\n        },\n        \042b\042: {\n            \042type\042: [\n  "
     "              \042integer\042,\n                \042null\042\n            ]\n        },"
     "\n        \042c\042: {\n            \042type\042: \042object\042,\n            \042addi"
     "tionalProperties\042: {\n                \042type\042: \042boolean\042\n            }\n"
     "        }\n    }\n}\n1:system\n2:user\n3:assistant\n4:user"},
    {template_types, 1, 1,
     "Tools: search\nf(a: list[str], b: Union[int,Any], c: dict[str, bool])\n{\n    \042name\042"
     ": \042f\042,\n    \042parameters\042: {\n        \042a\042: {\n            \042type\042"
     ": \042array\042,\n            \042items\042: {\n                \042type\042: \042strin"
     "g\042\n            }\n        },\n        \042b\042: {\n            \042type\042: [\n  "
     "              \042integer\042,\n                \042null\042\n            ]\n        },"
     "\n        \042c\042: {\n            \042type\042: \042object\042,\n            \042addi"
     "tionalProperties\042: {\n                \042type\042: \042boolean\042\n            }\n"
     "        }\n    }\n}\n1:system\n2:user\n3:assistant\n4:user"},
};

typedef struct template_failure {
    const char *text;
    onebit_status status;
    const char *words;
} template_failure;

static const template_failure template_failures[] = {
    {"{{ 1 | xmlattr }}", ONEBIT_UNSUPPORTED, "line 1: filter 'xmlattr'"},
    {"a\nb\n{{ 1 | e }}", ONEBIT_UNSUPPORTED, "line 3: filter 'e'"},
    {"{{ [2, 1] | sort }}", ONEBIT_UNSUPPORTED, "filter 'sort'"},
    {"{{ [1] | unique }}", ONEBIT_UNSUPPORTED, "filter 'unique'"},
    {"{% for k, v in {\042a\042: 1} | dictsort %}{% endfor %}", ONEBIT_UNSUPPORTED, "filter 'dictsort'"},
    {"{{ \042a\042 | indent }}", ONEBIT_UNSUPPORTED, "filter 'indent'"},
    {"{{ \042a\042 | title }}", ONEBIT_UNSUPPORTED, "filter 'title'"},
    {"{{ 1 | float }}", ONEBIT_UNSUPPORTED, "filter 'float'"},
    {"{{ [1] | batch(2) }}", ONEBIT_UNSUPPORTED, "filter 'batch'"},
    {"{{ [\042a\042] | map(\042upper\042) }}", ONEBIT_UNSUPPORTED, "filter 'map'"},
    {"{{ [{}] | map(attribute=\042x\042, default=1) }}", ONEBIT_UNSUPPORTED, "filter 'map'"},
    {"{{ [{}] | map(attribute=\042a.b\042) | list }}", ONEBIT_UNSUPPORTED, "path 'a.b'"},
    {"{{ [] | join(\042,\042, attribute=\042a\042) }}", ONEBIT_UNSUPPORTED, "'join'"},
    {"{{ \042a\042 | tojson(sort_keys=true) }}", ONEBIT_UNSUPPORTED, "'tojson'"},
    {"{{ \042a\042 | tojson(true) }}", ONEBIT_UNSUPPORTED, "'ensure_ascii'"},
    {"{{ [1] | tojson(indent=17) }}", ONEBIT_UNSUPPORTED, "'indent'"},
    {"{{ \042\303\251\042 | upper }}", ONEBIT_UNSUPPORTED, "'ASCII'"},
    {"{{ \0421_0\042 | int }}", ONEBIT_UNSUPPORTED, "int of '1_0'"},
    {"{{ \042a\042 | replace(\042\042, \042b\042) }}", ONEBIT_UNSUPPORTED, "replace of ''"},
    {"{{ \042a\042.format(1) }}", ONEBIT_UNSUPPORTED, "method 'format'"},
    {"{{ [].append(1) }}", ONEBIT_UNSUPPORTED, "method 'append'"},
    {"{{ \042a\042.rsplit(\042a\042) }}", ONEBIT_UNSUPPORTED, "method 'rsplit'"},
    {"{{ \042a\042.removeprefix(\042a\042) }}", ONEBIT_UNSUPPORTED, "method 'removeprefix'"},
    {"{{ \042a b\042.split() }}", ONEBIT_UNSUPPORTED, "split at white space"},
    {"{{ \042a\042.find(\042a\042) }}", ONEBIT_UNSUPPORTED, "method 'find'"},
    {"{{ {}.pop(\042a\042) }}", ONEBIT_UNSUPPORTED, "method 'pop'"},
    {"{% for x in [1] %}{{ loop.cycle(1) }}{% endfor %}", ONEBIT_UNSUPPORTED, "method 'cycle'"},
    {"{% for x in [1] %}{{ loop.depth }}{% endfor %}", ONEBIT_UNSUPPORTED, "'depth'"},
    {"{% for x in [1] recursive %}{% endfor %}", ONEBIT_UNSUPPORTED, "recursive"},
    {"{% include \042x\042 %}", ONEBIT_UNSUPPORTED, "tag 'include'"},
    {"\n\n{% raw %}{% endraw %}", ONEBIT_UNSUPPORTED, "line 3: tag 'raw'"},
    {"{% if 0 %}{% do 1 %}{% endif %}", ONEBIT_UNSUPPORTED, "tag 'do'"},
    {"{% set x | upper %}{% endset %}", ONEBIT_UNSUPPORTED, "'|'"},
    {"{{ 1 is sameas 1 }}", ONEBIT_UNSUPPORTED, "test 'sameas'"},
    {"{{ 1 is eq }}", ONEBIT_UNSUPPORTED, "test 'eq'"},
    {"{{ 1 is none(2) }}", ONEBIT_UNSUPPORTED, "test 'none'"},
    {"{{ \042%s\042 % 1 }}", ONEBIT_UNSUPPORTED, "operator '%'"},
    {"{{ 6 / 3 }}", ONEBIT_UNSUPPORTED, "operator '/'"},
    {"{{ 2 ** 3 }}", ONEBIT_UNSUPPORTED, "operator '**'"},
    {"{{ \042abc\042[::-1] }}", ONEBIT_UNSUPPORTED, "'step'"},
    {"{{ [1, 2][::2] }}", ONEBIT_UNSUPPORTED, "'step'"},
    {"{{ 1.5 }}", ONEBIT_UNSUPPORTED, "number '1.5'"},
    {"{{ 0x10 }}", ONEBIT_UNSUPPORTED, "number '0x10'"},
    {"{{ 1_000 }}", ONEBIT_UNSUPPORTED, "number '1_000'"},
    {"{{ 99999999999999999999 }}", ONEBIT_UNSUPPORTED, "number '9999"},
    {"{{ 9200000000000000000 + 9200000000000000000 }}", ONEBIT_UNSUPPORTED, "beyond 64 bits"},
    {"{{ -4600000000000000000 * 3 }}", ONEBIT_UNSUPPORTED, "beyond 64 bits"},
    {"{{ \042\134u00e9\042 }}", ONEBIT_UNSUPPORTED, "escape '\\u'"},
    {"{{ \042\134101\042 }}", ONEBIT_UNSUPPORTED, "escape '\\1'"},
    {"{{ f(*a) }}", ONEBIT_UNSUPPORTED, "'*'"},
    {"{{ range(1, 2, 3, 4) }}", ONEBIT_UNSUPPORTED, "'range'"},
    {"{{ {1: 2} }}", ONEBIT_UNSUPPORTED, "a key that is 'an integer'"},
    {"{{ dict([]) }}", ONEBIT_UNSUPPORTED, "'dict'"},
    {"{{ range(3) }}", ONEBIT_UNSUPPORTED, "text of 'a list'"},
    {"{{ messages[0] }}", ONEBIT_UNSUPPORTED, "text of 'a mapping'"},
    {"{{ \042a\042 ~ namespace() }}", ONEBIT_UNSUPPORTED, "text of 'a namespace'"},
    {"{% macro m(a) %}{% endmacro %}{{ m(1, 2) }}", ONEBIT_UNSUPPORTED, "'macro'"},
    {"{% macro m(a) %}{% endmacro %}{{ m(b=2) }}", ONEBIT_UNSUPPORTED, "'macro'"},
    {"{{ range(1000000000) }}", ONEBIT_UNSUPPORTED, "'range'"},
    {"{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", ONEBIT_UNSUPPORTED, "deeper"},
    {"{{ strftime_now(\042%d\042) }}", ONEBIT_FORMAT, "'strftime_now' is undefined"},
    {"{{ cycler(1) }}", ONEBIT_FORMAT, "'cycler' is undefined"},
    {"{{ x.y }}", ONEBIT_FORMAT, "'x' is undefined"},
    {"{{ x + 1 }}", ONEBIT_FORMAT, "'x' is undefined"},
    {"{{ 1 + x }}", ONEBIT_FORMAT, "'x' is undefined"},
    {"{{ 1 < x }}", ONEBIT_FORMAT, "'x' is undefined"},
    {"{{ 1 + \042a\042 }}", ONEBIT_FORMAT, "a string does not fit '+'"},
    {"{{ none + \042a\042 }}", ONEBIT_FORMAT, "none does not fit '+'"},
    {"{{ \042a\042 < 1 }}", ONEBIT_FORMAT, "an order"},
    {"{{ 1 // 0 }}", ONEBIT_FORMAT, "zero"},
    {"{{ 1 % 0 }}", ONEBIT_FORMAT, "zero"},
    {"{{ 1 in \042a\042 }}", ONEBIT_FORMAT, "'in' a string"},
    {"{% for x in 5 %}{% endfor %}", ONEBIT_FORMAT, "list of items"},
    {"{{ 5 | length }}", ONEBIT_FORMAT, "list of items"},
    {"{% for x in \042ab\042 %}{% endfor %}", ONEBIT_FORMAT, "a string does not fit"},
    {"{{ \042a\042.strip(1) }}", ONEBIT_FORMAT, "an integer does not fit strip"},
    {"{{ \042a\042.startswith() }}", ONEBIT_FORMAT, "'startswith' lacks"},
    {"{{ \042a\042.startswith((\042a\042, \042b\042)) }}", ONEBIT_FORMAT, "a list does not fit startswith"},
    {"{{ [1, 2][x:] }}", ONEBIT_FORMAT, "'x' is undefined"},
    {"{{ [1, 2][\042a\042:] }}", ONEBIT_FORMAT, "bound of a slice"},
    {"{{ none[1:] }}", ONEBIT_FORMAT, "a slice"},
    {"{{ range(1, 2, 0) }}", ONEBIT_FORMAT, "step 0"},
    {"{{ -\042a\042 }}", ONEBIT_FORMAT, "a string does not fit '-'"},
    {"{{ x | tojson }}", ONEBIT_FORMAT, "'x' is undefined"},
    {"{{ namespace() | tojson }}", ONEBIT_FORMAT, "JSON"},
    {"{% set x.y = 1 %}", ONEBIT_FORMAT, "'x' is undefined"},
    {"{% set x = 1 %}{% set x.y = 1 %}", ONEBIT_FORMAT, "a namespace to set"},
    {"{% for a, b in [1] %}{% endfor %}", ONEBIT_FORMAT, "list of items"},
    {"{% set a, b = [1] %}", ONEBIT_FORMAT, "1 values for 2 names"},
    {"{{ \042a\042() }}", ONEBIT_FORMAT, "a call"},
    {"{{ range(3)() }}", ONEBIT_FORMAT, "a call"},
    {"{{ x() }}", ONEBIT_FORMAT, "'x' is undefined"},
    {"{% if 1 %}", ONEBIT_FORMAT, "no 'endif'"},
    {"\n{% for x in y %}\n{% if 1 %}{% endif %}", ONEBIT_FORMAT, "line 2: the block has no 'endfor'"},
    {"{% endif %}", ONEBIT_FORMAT, "'endif'"},
    {"{% else %}", ONEBIT_FORMAT, "'else'"},
    {"{% if 1 %}{% endfor %}", ONEBIT_FORMAT, "'endfor'"},
    {"{% if 1 %}{% else %}{% else %}{% endif %}", ONEBIT_FORMAT, "'else'"},
    {"{% for x in y %}{% elif 1 %}{% endfor %}", ONEBIT_FORMAT, "'elif'"},
    {"{% break %}", ONEBIT_FORMAT, "outside a loop"},
    {"{% for x in [1] %}{% macro m() %}{% break %}{% endmacro %}{{ m() }}{% endfor %}", ONEBIT_FORMAT, "outside a loop"},
    {"{% for x in y %}{% else %}{% break %}{% endfor %}", ONEBIT_FORMAT, "outside a loop"},
    {"{{", ONEBIT_FORMAT, "does not end"},
    {"{{ 1", ONEBIT_FORMAT, "does not end"},
    {"{{ \042a", ONEBIT_FORMAT, "string does not end"},
    {"{# a", ONEBIT_FORMAT, "comment does not end"},
    {"{% if", ONEBIT_FORMAT, "does not end"},
    {"{{ }}", ONEBIT_FORMAT, "an expression"},
    {"{{ 1 + }}", ONEBIT_FORMAT, "an expression"},
    {"{{ (1 }}", ONEBIT_FORMAT, ""},
    {"{{ 1 2 }}", ONEBIT_FORMAT, "the end of the tag"},
    {"{{ a b }}", ONEBIT_FORMAT, "the end of the tag"},
    {"{{ a, b }}", ONEBIT_FORMAT, "the end of the tag"},
    {"{% set 1 = 2 %}", ONEBIT_FORMAT, "a name"},
    {"{{ 1 ; }}", ONEBIT_FORMAT, "';'"},
    {"{{ a ! b }}", ONEBIT_FORMAT, "'!'"},
    {"{{ a. }}", ONEBIT_FORMAT, "a name"},
    {"{{ f(a=1, 2) }}", ONEBIT_FORMAT, "named"},
    {"{{ 1 if }}", ONEBIT_FORMAT, "an expression"},
    {"{{ 1) }}", ONEBIT_FORMAT, "')'"},
    {"{% if 0 %}{{ 1 + }}{% endif %}", ONEBIT_FORMAT, "an expression"},
    {"{% %}", ONEBIT_FORMAT, "a name"},
    {"{% set x %}", ONEBIT_FORMAT, "no 'endset'"},
    {"{% set a b %}{% endset %}", ONEBIT_FORMAT, "'b'"},
    {"{% macro m %}{% endmacro %}", ONEBIT_FORMAT, "expected ("},
    {"{% for in x %}{% endfor %}", ONEBIT_FORMAT, "expected in"},
    {"{{ raise_exception(\042no \042 ~ messages[0].role) }}", ONEBIT_USAGE, "the chat template refuses: no user"},
};
