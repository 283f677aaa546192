#!/usr/bin/env python3
"""Prints the tables of Unicode letters and numbers that onebit.h's >>tokenizer holds.

Usage: tools/unicode_ranges.py > tables.txt, then paste the output over OB_LETTER_RUNS and
OB_NUMBER_RUNS. Each table is a list of run lengths over the code points: outside, inside, outside,
... A length is written in base 26, most significant digit first: upper-case letters go on, the
lower-case letter ends the number."""
import sys
import unicodedata

WIDTH = 92


def digits(n):
    text = chr(ord('a') + n % 26)
    n //= 26
    while n:
        text = chr(ord('A') + n % 26) + text
        n //= 26
    return text


def edges(major):
    inside, out = False, []
    for code in range(0x110000):
        now = unicodedata.category(chr(code))[0] == major
        if now != inside:
            out.append(code)
            inside = now
    return out


def table(name, major):
    marks = edges(major)
    text = ''.join(digits(b - a) for a, b in zip([0] + marks, marks))
    print('#define OB_%s_EDGES %d' % (name, len(marks)))
    print('static const char OB_%s_RUNS[] =' % name)
    rows = [text[i:i + WIDTH] for i in range(0, len(text), WIDTH)]
    for i, row in enumerate(rows):
        print('    "%s"%s' % (row, ';' if i + 1 == len(rows) else ''))


if __name__ == '__main__':
    print('/* Unicode %s, by tools/unicode_ranges.py. */' % unicodedata.unidata_version)
    table('LETTER', 'L')
    table('NUMBER', 'N')
    sys.exit(0)
