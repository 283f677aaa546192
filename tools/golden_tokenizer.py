#!/usr/bin/env python3
"""Writes tests/golden_tokenizer.h: small tokenizer.json files and the ids that Hugging Face's library
`tokenizers` gives for texts with them. Needs: pip install tokenizers. Deterministic.

Usage: tools/golden_tokenizer.py > tests/golden_tokenizer.h"""
import json
import unicodedata

from tokenizers import Tokenizer, __version__

CASES = ["(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|", "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*"
         "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"]
TEXTS = [
    "The keeper's lamp, DON'T'S (re)lit 1927 times\r\n\n\t\tfor 12345 ships!?\n  end  ",
    "cafe\u0301 caf\u00e9 \ud55c\u1112\u1161\u11ab \u1e69 s\u0323\u0307 s\u0307\u0323 \u212b \u0958 \u0344",
    "<s>keep <r>  the lamp <l> <n>keep\u2581the</s> \u65e5\u672c\U0001F600 \u00bd\u2168 it'\u017f",
]


# The bytes that the texts need; the files have tokens for no others, to be small.
USED = sorted({b for t in TEXTS + ['abcdefghijklmnopqrstuvwxyz']
               for b in (t + unicodedata.normalize('NFC', t)).encode()})


def bytes_alphabet():
    """GPT-2's characters for the 256 bytes, in the order of the bytes."""
    out, more = [], 0
    for b in range(256):
        plain = 33 <= b < 127 or 161 <= b < 173 or b > 173
        out.append(chr(b if plain else 256 + more))
        more += not plain
    return out


def learn(vocab, words, space):
    """A few merges that share parts: the prefixes of the words, from the left."""
    merges = []
    for word in words:
        word = word.replace(' ', space)
        for i in range(1, len(word)):
            if word[:i + 1] not in vocab:
                vocab[word[:i + 1]] = len(vocab)
                merges.append([word[:i], word[i]])
    return merges


def added(first, names):
    flags = {'<r>': 'rstrip', '<l>': 'lstrip', '<n>': 'normalized'}
    return [{'id': first + i, 'content': name, 'single_word': False, 'lstrip': False,
             'rstrip': False, 'normalized': False, 'special': True, **({flags[name]: True}
             if name in flags else {})} for i, name in enumerate(names)]


def template(id):
    return {'type': 'TemplateProcessing', 'single': [{'SpecialToken': {'id': '<s>', 'type_id': 0}},
            {'Sequence': {'id': 'A', 'type_id': 0}}], 'pair': [{'Sequence': {'id': 'A', 'type_id': 0}},
            {'Sequence': {'id': 'B', 'type_id': 1}}],
            'special_tokens': {'<s>': {'id': '<s>', 'ids': [id], 'tokens': ['<s>']}}}


def model(vocab, merges, **settings):
    return {'type': 'BPE', 'vocab': vocab, 'merges': merges, **settings}


def byte_level(pattern, normalizer, whole):
    alphabet = bytes_alphabet()
    vocab = {alphabet[b]: i for i, b in enumerate(USED)}
    merges = learn(vocab, [' the', 'The', ' keep', ' lamp', 'caf', '\u00c3\u00a9', '19', '123', 'ing'],
                   '\u0120')
    vocab['ships'] = len(vocab)  # no merge makes it: only ignore_merges finds it
    first = len(vocab)
    return {'version': '1.0', 'added_tokens': added(first, ['<s>', '</s>', '<r>', '<l>', '<n>']),
            'normalizer': normalizer, 'pre_tokenizer': {'type': 'Sequence', 'pretokenizers': [
                {'type': 'Split', 'pattern': {'Regex': pattern}, 'behavior': 'Isolated', 'invert': False},
                {'type': 'ByteLevel', 'add_prefix_space': False, 'trim_offsets': True,
                 'use_regex': False}]},
            'post_processor': template(first),
            'decoder': {'type': 'ByteLevel', 'add_prefix_space': True, 'trim_offsets': True,
                        'use_regex': True},
            'model': model(vocab, merges, ignore_merges=whole)}


def sentencepiece(normalizer, pre_tokenizer):
    vocab = {'<unk>': 0, '<s>': 1, '</s>': 2}
    for b in USED:
        vocab['<0x%02X>' % b] = len(vocab)
    for c in '\u2581acdefhiklmnprst\u00e9':
        vocab[c] = len(vocab)
    merges = learn(vocab, [' the', ' keep', ' lamp', '  ', 'caf'], '\u2581')
    names = ['<r>', '<l>', '<n>'] if pre_tokenizer else ['<n>']
    return {'version': '1.0', 'added_tokens': added(0, ['<unk>', '<s>', '</s>'])
            + added(len(vocab), names),
            'normalizer': normalizer, 'pre_tokenizer': pre_tokenizer, 'post_processor': template(1),
            'decoder': {'type': 'Sequence', 'decoders': [
                {'type': 'Replace', 'pattern': {'String': '\u2581'}, 'content': ' '},
                {'type': 'ByteFallback'}, {'type': 'Fuse'},
                {'type': 'Strip', 'content': ' ', 'start': 1, 'stop': 0}]},
            'model': model(vocab, merges, unk_token='<unk>', fuse_unk=True, byte_fallback=True)}


def quoted(data):
    """Rows of a C string literal: octal escapes cannot run into what follows."""
    row, rows = '', []
    for b in data:
        row += chr(b) if 32 <= b < 127 and chr(b) not in '"\\?' else '\\%03o' % b
        if len(row) > 86:
            rows.append('    "%s"' % row)
            row = ''
    return '\n'.join(rows + ['    "%s"' % row] if row else rows)


def show(name, settings):
    text = json.dumps(settings, ensure_ascii=False, separators=(',', ':'))
    vocab, merges = settings['model']['vocab'], settings['model']['merges']
    parts = []
    library = Tokenizer.from_str(text)
    print('/* %s: %d tokens, %d merges. */' % (name, len(vocab), len(merges)))
    # string literals may have 4095 bytes
    data = text.encode()
    for i in range(0, len(data), 3000):
        parts.append('tok_%s_%d' % (name, i // 3000))
        print('static const char %s[] =\n%s;' % (parts[-1], quoted(data[i:i + 3000])))
    print('static const char *const tok_%s_parts[] = {%s, NULL};' % (name, ', '.join(parts)))
    for i, asked in enumerate(TEXTS):
        ids = library.encode(asked, add_special_tokens=False).ids
        rows = [', '.join(map(str, ids[k:k + 18])) for k in range(0, len(ids), 18)]
        print('static const int32_t tok_%s_ids_%d[] = {\n    %s};' % (name, i, ',\n    '.join(rows)))
    print('static const tok_expected tok_%s_expected[] = {\n    %s};\n' % (name, ',\n    '.join(
        '{tok_%s_ids_%d, sizeof tok_%s_ids_%d / 4}' % (name, i, name, i) for i in range(len(TEXTS)))))


def main():
    mark = '\u2581'
    print('/* golden_tokenizer.h - made by tools/golden_tokenizer.py with tokenizers %s. */\n'
          % __version__)
    print('static const char *const tok_golden_texts[] = {\n%s};\n'
          % ',\n'.join(quoted(t.encode()) for t in TEXTS))
    print('typedef struct tok_expected {\n    const int32_t *ids;\n    size_t n;\n} tok_expected;\n')
    show('llama3', byte_level(CASES[0] + '\\p{N}{1,3}' + CASES[1], None, True))
    show('qwen2', byte_level(CASES[0] + '\\p{N}' + CASES[1], {'type': 'NFC'}, False))
    show('prepend', sentencepiece({'type': 'Sequence', 'normalizers': [
        {'type': 'Prepend', 'prepend': mark},
        {'type': 'Replace', 'pattern': {'String': ' '}, 'content': mark}]}, None))
    show('metaspace', sentencepiece(None, {'type': 'Metaspace', 'replacement': mark,
                                           'prepend_scheme': 'first', 'split': False}))


if __name__ == '__main__':
    main()
