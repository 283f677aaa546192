#!/usr/bin/env python3
"""Prints the Unicode tables that onebit.h's >>tokenizer holds.

Usage: tools/unicode_ranges.py > tables.txt, then paste the output over the tables OB_LETTER_RUNS to
OB_MARK_RUNS. Numbers are written in base 26, most significant digit first: upper-case letters go
on, the lower-case letter ends the number. Signed numbers are folded: 0, -1, 1, -2, 2, ...

  letters, numbers, punctuation
                     run lengths over the code points: outside, inside, outside, ...
  marks              run lengths, each followed by the combining class of the run
  compositions       canonical decompositions in groups of one second part: the step from the last
                     group's second part, the number of rows, then for each row the steps (signed)
                     of the composed code point and of its first part from those of the last row.
                     Three tables: pairs that NFC composes again, pairs that it does not, and code
                     points that stand for one other (the second part is 0). Hangul is computed, so
                     it is in none."""
import sys

try:
    import unicodedata2 as unicodedata  # pip install unicodedata2==16.0.0
except ImportError:
    import unicodedata  # of this Python; the first line says which Unicode it has

WIDTH = 92


def digits(n):
    text = chr(ord('a') + n % 26)
    n //= 26
    while n:
        text = chr(ord('A') + n % 26) + text
        n //= 26
    return text


def signed(n):
    return digits(2 * n if n >= 0 else -2 * n - 1)


def edges(major):
    inside, out = False, []
    for code in range(0x110000):
        now = unicodedata.category(chr(code))[0] == major
        if now != inside:
            out.append(code)
            inside = now
    return out


def show(name, text):
    print('static const char OB_%s[] =' % name)
    rows = [text[i:i + WIDTH] for i in range(0, len(text), WIDTH)]
    for i, row in enumerate(rows):
        print('    "%s"%s' % (row, ';' if i + 1 == len(rows) else ''))


def runs(name, major):
    marks = edges(major)
    print('#define OB_%s_EDGES %d' % (name, len(marks)))
    show(name + '_RUNS', ''.join(digits(b - a) for a, b in zip([0] + marks, marks)))


def decompositions(kind):
    """Rows (second, code, first) of one of the three tables, sorted."""
    out = []
    for code in range(0x110000):
        text = unicodedata.decomposition(chr(code))
        if not text or text[0] == '<':
            continue
        part = [int(x, 16) for x in text.split()] + [0]
        again = unicodedata.normalize('NFC', chr(part[0]) + chr(part[1])) == chr(code)
        if kind == ('SINGLE' if not part[1] else 'COMPOSED' if again else 'EXCLUDED'):
            out.append((part[1], code, part[0]))
    return sorted(out)


def groups(kind):
    rows, text = decompositions(kind), ''
    last_second = last_code = last_first = 0
    for second in sorted({row[0] for row in rows}):
        mine = [row for row in rows if row[0] == second]
        text += digits(second - last_second) + digits(len(mine))
        last_second = second
        for _, code, first in mine:
            text += signed(code - last_code) + signed(first - last_first)
            last_code, last_first = code, first
    show('%s_ROWS' % kind, text)
    return len(rows)


def marks():
    text, start, before, count = '', 0, 0, 0
    for code in range(0x110000):
        now = unicodedata.combining(chr(code))
        if now != before:
            text += digits(code - start) + digits(before)
            start, before, count = code, now, count + 1
    print('#define OB_MARK_EDGES %d' % count)
    show('MARK_RUNS', text)


if __name__ == '__main__':
    print('/* Unicode %s, by tools/unicode_ranges.py. */' % unicodedata.unidata_version)
    runs('LETTER', 'L')
    runs('NUMBER', 'N')
    runs('PUNCT', 'P')
    rows = sum(groups(kind) for kind in ('COMPOSED', 'EXCLUDED', 'SINGLE'))
    print('#define OB_DECOMPOSITIONS %d' % rows)
    marks()
    sys.exit(0)
