/* corpus.c: endless little stories and conversations from a small village, with questions and answers.

   build    cc -O2 tools/corpus.c -o build/onebit-corpus          (C99 or C++11, libc only)
   train    build/onebit-corpus --seed 1 --bytes 12000000 --output train.txt
   test     build/onebit-corpus --seed 2 --documents 500 --held-out --format qa --output test.jsonl
   verify   build/onebit-corpus --check

   A document is either a story followed by questions ("Q:" and "A:" lines), or a conversation with the
   keeper of a tavern, the guard of a gate or a merchant of the market. A turn of a conversation is
   "You: {prompt}\nKeeper: {reply}\n" (or Guard, or Merchant). Both carry a small state: who is where and
   why, who holds what, what something costs. State changes; a question asks for the last state. A story
   asks about everything once, then about what changed: that order and whole-sentence answers let a small
   model learn to follow the story in a minute.

   Formats
     txt     documents, each followed by exactly "\n<|endoftext|>\n"
     jsonl   {"text": document} per line
     qa      one line per question: prompt + answer + terminator is, byte for byte, the beginning of the
             document as it stands in txt. "choices" are the answers that somebody might give who knows
             the words of the document but did not follow it; "all" those of somebody who knows only the
             grammar. At least two choices are always open, so no question answers itself.

   Entropy. Every choice is drawn with a known probability, by ob_pick and nothing else, and the sum of
   -log2 p is the information of the text, because different choices always give different text:
     - a choice is made where its words are written, left to right; nothing is chosen that is not written;
     - the alternatives of one choice are different words, and where one begins like another, they
       part before the sentence ends (names, places, items and templates are pairwise different);
     - optional sentences, events, turns and questions cannot be taken for what may follow them;
     - what is taken from a rest is drawn from that rest: p = 1 / (number that remain);
     - what follows from the state (an answer, the place of a gift) is computed, not chosen.
   --check proves it document by document: it reads documents back by trying every derivation, and each
   must have exactly one, with the same number of bits. A loss of --stats bits per byte is therefore the
   best that any model can reach, and only one that understands the story can get there, for an answer has
   zero bits.

   Held out. A document whose hash is 0 modulo 20 belongs to the held-out set, never to the training set,
   whatever the seed. Being told the set takes log2(20/19) resp. log2(20) bits off each document. That
   counts the share of the held-out set as 1/20; the hash makes it 1/20 up to a standard deviation of
   sqrt(19/400 * sum p^2), which --stats prints (sum p^2 is the mean of 2^-bits over documents). */

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OB_VERSION "1.0"
#define OB_GOLDEN 0xb696f67646086fbaULL /* first 100 000 bytes of --seed 1 */

/* ---------------------------------------------------------------------------------------- the words */

enum { OB_NAMES = 12, OB_PLACES = 12, OB_ITEMS = 12, OB_COLOURS = 6, OB_ROLES = 8, OB_REASONS = 12, OB_PRICES = 8 };
enum { OB_PERSON, OB_PLACE, OB_ITEM, OB_COLOUR, OB_ROLE, OB_REASON, OB_PRICE, OB_CATEGORIES };

static const int ob_category_size[OB_CATEGORIES] = {
    OB_NAMES, OB_PLACES, OB_ITEMS, OB_COLOURS, OB_ROLES, OB_REASONS, OB_PRICES
};

enum { OB_FIRST_HE = 6 }; /* names from here on are "he" */
static const char *const ob_names[OB_NAMES] = {
    "Mira", "Anna", "Greta", "Nora", "Ida", "Vera", "Tom", "Finn", "Hugo", "Lars", "Otto", "Ned"
};
enum { OB_FIRST_IN = 8 }; /* places from here on take "in", the others "at" */
static const char *const ob_places[OB_PLACES] = {
    "tavern", "gate", "market", "mill", "river", "bridge", "well", "harbour", "forest", "garden", "barn", "tower"
};
/* All begin with a consonant, as do the words that stand before them: "a" is always right. */
static const char *const ob_items[OB_ITEMS] = {
    "lantern", "key", "rope", "basket", "drum", "flute", "hat", "cloak", "ring", "book", "bell", "candle"
};
static const char *const ob_colours[OB_COLOURS] = { "red", "blue", "green", "yellow", "white", "black" };
static const char *const ob_roles[OB_ROLES] = {
    "baker", "miller", "smith", "farmer", "fisher", "weaver", "hunter", "piper"
};
/* Behind a "t" or a "T". */
static const char *const ob_reasons[OB_REASONS] = {
    "o rest", "o dance", "o meet a friend", "o hear the news", "o look for a cat", "o help a neighbour",
    "o watch the birds", "o sing a song", "o eat lunch", "o play a game", "o tell a joke", "o hide from the wind"
};
static const char *const ob_prices[OB_PRICES] = {
    "two", "three", "four", "five", "six", "seven", "eight", "nine"
};

enum { OB_KEEPER, OB_GUARD, OB_MERCHANT, OB_SPEAKERS };
static const char *const ob_speakers[OB_SPEAKERS] = { "Keeper", "Guard", "Merchant" };
enum { OB_GOODS = 16, OB_FIRST_WARE = 8 }; /* a keeper sells the first, a merchant the others */
static const char *const ob_goods[OB_GOODS] = {
    "ale", "soup", "bread", "stew", "milk", "tea", "cheese", "cider",
    "honey", "salt", "wool", "butter", "flour", "cloth", "soap", "corn"
};
static const char *const ob_hours[3] = { "morning", "evening", "day" };

/* ------------------------------------------------------------------------------------- the generator */

enum { OB_TEXT = 2048, OB_PICKS = 512, OB_MAX_PEOPLE = 3, OB_MAX_ITEMS = 3, OB_MAX_EVENTS = 6, OB_MAX_ASKED = 32 };
enum { OB_SOFT_LIMIT = 500, OB_HARD_LIMIT = 900, OB_LAST_PART = 480 }; /* no new turn or question behind the first */
enum { OB_MIX, OB_STORY, OB_DIALOGUE };
enum { OB_HELD_OUT = 20 };          /* one document of so many */
#define OB_LEAST_BITS 0.05           /* per byte, of every kind; for --check */

enum { OB_WHO_HAS, OB_WHERE, OB_WHY, OB_HOW_MUCH, OB_MY_NAME, OB_QUESTIONS };
static const char *const ob_question_names[OB_QUESTIONS] = { "who has", "where is", "why", "how much", "my name" };
static const int ob_question_weight[OB_QUESTIONS] = { 5, 7, 3, 3, 3 };
static const int ob_question_category[OB_QUESTIONS] = { OB_PERSON, OB_PLACE, OB_REASON, OB_PRICE, OB_PERSON };

typedef struct ob_question {
    int type, a, b;     /* a, b: what it asks about; ids of the tables, not of the story */
    int answer;         /* id in the category of the type */
    unsigned facts;     /* the facts that it tells or that its wording gives away */
} ob_question;

typedef struct ob_asked {
    ob_question q;
    int prompt, answer; /* where the prompt ends, where the answer ends */
    uint32_t choices;    /* ids that are candidates in this document */
    int latest;          /* the candidate that was mentioned last before the question */
} ob_asked;

enum { OB_MOVED, OB_GAVE, OB_FOUND, OB_EVENTS };
/* who, item, to: index in the story; place: where it took the person, -1 = nowhere; at: where it happened */
typedef struct ob_event { int type, who, item, to, place, reason, at; } ob_event;

typedef struct ob_gen {
    uint64_t random;
    /* Reading back: the text must begin like target, and choices are taken from script, then 0. */
    const char *target;
    const unsigned char *script;
    int scripted, dead;
    int picks;                               /* choices made before the text left the target */
    unsigned char choice[OB_PICKS], fan[OB_PICKS];
    double bits;
    int length;
    char text[OB_TEXT];
    /* The world */
    uint32_t seen[OB_CATEGORIES];            /* ids mentioned so far */
    int last[OB_CATEGORIES][32];             /* where each was mentioned last */
    int people, person[OB_MAX_PEOPLE], place[OB_MAX_PEOPLE], role[OB_MAX_PEOPLE];
    int items, item[OB_MAX_ITEMS], colour[OB_MAX_ITEMS], holder[OB_MAX_ITEMS];
    int events;
    ob_event event[OB_MAX_EVENTS];
    unsigned facts;                          /* facts that were asked about since they changed */
    uint32_t told;                           /* small talk that was used */
    int price[OB_GOODS];                           /* of the goods, -1 = not named */
    int user;                                /* name of "You", -1 = not told */
    int hour;                                /* index of the greeting that fits, -1 = any */
    int subject;                             /* whom "she" or "he" would mean, -1 = nobody */
    int speaker;
    int asked;
    ob_asked ask[OB_MAX_ASKED];
} ob_gen;

/* splitmix64: a counter and a mixing function, the same everywhere. */
static uint64_t ob_mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

static unsigned ob_below(ob_gen *g, unsigned n)
{
    uint64_t limit = UINT64_MAX - UINT64_MAX % n, r;
    do {
        g->random += 0x9e3779b97f4a7c15ULL;
        r = ob_mix(g->random);
    } while (r >= limit);
    return (unsigned)(r % n);
}

/* log2 of x >= 0.5 without libm: x = 2^e * m, then ln m = 2 atanh((m - 1) / (m + 1)). */
static double ob_log2(double x)
{
    double e = 0, y, y2, power, sum = 0;
    int k;
    while (x >= 1.5) { x /= 2; e += 1; }
    while (x < 0.75) { x *= 2; e -= 1; }
    y = (x - 1) / (x + 1);
    y2 = y * y;
    power = y;
    for (k = 1; k < 40; k += 2) {
        sum += power / k;
        power *= y2;
    }
    return e + 2 * sum / 0.69314718055994530942;
}

static double ob_exp2_minus(double bits) /* 2^-bits */
{
    double y = 1, t, x, term = 1;
    int k;
    while (bits >= 1) { y /= 2; bits -= 1; }
    x = -bits * 0.69314718055994530942;
    t = 1;
    for (k = 1; k < 24; k++) {
        term *= x / k;
        t += term;
    }
    return y * t;
}

static double ob_sqrt(double x)
{
    double y = x > 1 ? x : 1;
    int k;
    if (x <= 0) return 0;
    for (k = 0; k < 200; k++) y = (y + x / y) / 2;
    return y;
}

/* The one place where anything is chosen: an index of weight[0..n), probability weight / total. */
static int ob_pick(ob_gen *g, const int *weight, int n)
{
    int k, total = 0, fan = 0, rank = 0, found = 0;
    unsigned r;
    for (k = 0; k < n; k++) {
        total += weight[k];
        fan += weight[k] > 0;
    }
    if (total == 0) return 0;
    if (g->dead || g->picks >= OB_PICKS) {
        g->dead = 1;
        for (k = 0; weight[k] == 0;) k++;
        return k;
    }
    if (g->target) {
        rank = fan > 1 && g->picks < g->scripted ? g->script[g->picks] : 0;
        for (k = 0, found = -1; k < n; k++)
            if (weight[k] > 0 && ++found == rank) break;
    } else {
        r = ob_below(g, (unsigned)total);
        for (k = 0, rank = 0; r >= (unsigned)weight[k]; k++) {
            r -= (unsigned)weight[k];
            rank += weight[k] > 0;
        }
    }
    if (fan > 1) {
        g->choice[g->picks] = (unsigned char)rank;
        g->fan[g->picks++] = (unsigned char)fan;
        g->bits += ob_log2((double)total / weight[k]);
    }
    return k;
}

static int ob_any(ob_gen *g, int n)
{
    int weight[64], k;
    for (k = 0; k < 64; k++) weight[k] = k < n;
    return ob_pick(g, weight, n);
}

static int ob_chance(ob_gen *g, int percent)
{
    int weight[2];
    weight[0] = 100 - percent;
    weight[1] = percent;
    return ob_pick(g, weight, 2);
}

/* One of 0..n-1 that is not in used, each alike. */
static int ob_fresh(ob_gen *g, uint32_t used, int n)
{
    int weight[32], k;
    for (k = 0; k < n; k++) weight[k] = !(used >> k & 1u);
    return ob_pick(g, weight, n);
}

static void ob_see(ob_gen *g, int category, int id, int at)
{
    g->seen[category] |= 1u << id;
    g->last[category][id] = at;
}

/* Appends s to the text of length at in out; what does not fit is left out. */
static int ob_add(char *out, int at, int size, const char *s)
{
    int n = (int)strlen(s);
    if (at + n >= size) return at;
    memcpy(out + at, s, (size_t)n + 1);
    return at + n;
}

/* Writes fmt to out at position at and returns the new end. g (or NULL) learns what was mentioned.
   %n name, %p "the mill", %l "at the mill", %i "the key", %w "key",
   %c colour, %r trade, %y "to rest", %m number, %s string; %P %L %I %Y begin with a capital. */
static int ob_format(ob_gen *g, char *out, int at, const char *fmt, va_list args)
{
    char one[2];
    int id, category;
    one[1] = 0;
    for (; *fmt; fmt++) {
        if (*fmt != '%') {
            one[0] = *fmt;
            at = ob_add(out, at, OB_TEXT, one);
            continue;
        }
        fmt++;
        if (*fmt == 's') {
            at = ob_add(out, at, OB_TEXT, va_arg(args, const char *));
            continue;
        }
        id = va_arg(args, int);
        category = OB_PERSON;
        switch (*fmt) {
        case 'n': at = ob_add(out, at, OB_TEXT, ob_names[id]); break;
        case 'P': case 'p': case 'L': case 'l':
            if (*fmt == 'l') at = ob_add(out, at, OB_TEXT, id < OB_FIRST_IN ? "at " : "in ");
            if (*fmt == 'L') at = ob_add(out, at, OB_TEXT, id < OB_FIRST_IN ? "At " : "In ");
            at = ob_add(out, at, OB_TEXT, *fmt == 'P' ? "The " : "the ");
            at = ob_add(out, at, OB_TEXT, ob_places[id]);
            category = OB_PLACE;
            break;
        case 'I': case 'i':
            at = ob_add(out, at, OB_TEXT, *fmt == 'I' ? "The " : "the ");
            at = ob_add(out, at, OB_TEXT, ob_items[id]);
            category = OB_ITEM;
            break;
        case 'w': at = ob_add(out, at, OB_TEXT, ob_items[id]); category = OB_ITEM; break;
        case 'c': at = ob_add(out, at, OB_TEXT, ob_colours[id]); category = OB_COLOUR; break;
        case 'r': at = ob_add(out, at, OB_TEXT, ob_roles[id]); category = OB_ROLE; break;
        case 'Y': case 'y':
            at = ob_add(out, at, OB_TEXT, *fmt == 'Y' ? "T" : "t");
            at = ob_add(out, at, OB_TEXT, ob_reasons[id]);
            category = OB_REASON;
            break;
        default: at = ob_add(out, at, OB_TEXT, ob_prices[id]); category = OB_PRICE; break;
        }
        if (g) ob_see(g, category, id, at);
    }
    return at;
}

static void ob_say(ob_gen *g, const char *fmt, ...)
{
    va_list args;
    int from = g->length;
    va_start(args, fmt);
    g->length = ob_format(g, g->text, g->length, fmt, args);
    va_end(args);
    if (g->target && !g->dead && strncmp(g->text + from, g->target + from, (size_t)(g->length - from)) != 0)
        g->dead = 1;
}

static void ob_write(char *out, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    ob_format(NULL, out, 0, fmt, args);
    va_end(args);
}

#define OB_ONE_OF(g, list) ((list)[ob_any(g, (int)(sizeof(list) / sizeof *(list)))])

/* ------------------------------------------------------------------- people, things and what happens */

enum { OB_PAST, OB_PRESENT, OB_TOLD }; /* told: past, without "Then" */

/* " a small red lantern" */
static int ob_new_item(ob_gen *g, int holder)
{
    static const char *const sizes[4] = { "small", "big", "fine", "new" };
    int k = g->items++;
    ob_say(g, " a");
    if (ob_chance(g, 5)) ob_say(g, " %s", OB_ONE_OF(g, sizes));
    g->colour[k] = ob_chance(g, 20) ? ob_any(g, OB_COLOURS) : -1;
    if (g->colour[k] >= 0) ob_say(g, " %c", g->colour[k]);
    g->item[k] = ob_fresh(g, g->seen[OB_ITEM], OB_ITEMS);
    ob_say(g, " %w", g->item[k]);
    g->holder[k] = holder;
    return k;
}

/* " the lantern", of which nothing else is told */
static void ob_own_item(ob_gen *g, int holder)
{
    int k = g->items++;
    ob_say(g, " the");
    g->colour[k] = -1;
    g->item[k] = ob_fresh(g, g->seen[OB_ITEM], OB_ITEMS);
    ob_say(g, " %w", g->item[k]);
    g->holder[k] = holder;
}

/* "Mira the baker sat at the mill with a red lantern." */
static void ob_introduce(ob_gen *g, int voice)
{
    static const char *const busy[6] = { "singing", "laughing", "half asleep", "eating bread", "drinking tea",
                                         "talking to a cat" };
    const char *has = voice == OB_PAST ? "had" : "has";
    int x = g->people++, form, weight[5] = { 2, 0, 0, 6, 0 };
    g->person[x] = ob_fresh(g, g->seen[OB_PERSON], OB_NAMES);
    g->role[x] = -1;
    ob_say(g, "%n", g->person[x]);
    if (ob_chance(g, 8)) {
        g->role[x] = ob_fresh(g, g->seen[OB_ROLE], OB_ROLES);
        ob_say(g, " the %r", g->role[x]);
    }
    if (g->items == 0 && x > 0) weight[0] = 0; /* the second person has something if the first has not */
    if (g->items == OB_MAX_ITEMS) weight[1] = weight[2] = weight[3] = weight[4] = 0;
    form = ob_pick(g, weight, 5);
    if (form == 4) {
        ob_say(g, " %s", has);
        ob_new_item(g, x);
        ob_say(g, " and");
    }
    ob_say(g, voice == OB_PAST ? " was" : " is");
    g->place[x] = ob_any(g, OB_PLACES);
    ob_say(g, " %l", g->place[x]);
    if (form == 1) ob_say(g, " with");
    if (form == 2) ob_say(g, " and %s", has);
    if (form == 3) ob_say(g, ". %n %s", g->person[x], has);
    if (form == 1 || form == 2) ob_new_item(g, x);
    if (form == 3) ob_own_item(g, x);
    if (form == 0 && ob_chance(g, 8)) ob_say(g, ", %s", OB_ONE_OF(g, busy));
    ob_say(g, ".");
    g->subject = -1;
}

static ob_event *ob_log(ob_gen *g, int type, int who)
{
    ob_event *e = &g->event[g->events++];
    e->type = type;
    e->who = who;
    e->item = e->to = e->place = e->reason = -1;
    e->at = g->place[who];
    return e;
}

/* Facts for ob_question.facts; a change of the state makes them askable again. */
static unsigned ob_fact_holds(int item) { return 1u << item; }
static unsigned ob_fact_where(int person) { return 1u << (3 + person); }
static unsigned ob_fact_event(int event) { return 1u << (9 + event); }
static unsigned ob_fact_price(int good) { return 1u << (21 + good % 8); }
enum { OB_FACT_NAME = 1 << 29 };

/* " walked to " */
static void ob_go(ob_gen *g, int voice)
{
    static const char *const past[4] = { "went", "walked", "ran", "hurried" };
    static const char *const now[4] = { "goes", "walks", "runs", "hurries" };
    ob_say(g, " %s to ", voice == OB_PRESENT ? OB_ONE_OF(g, now) : OB_ONE_OF(g, past));
}

static void ob_move(ob_gen *g, int voice, int x)
{
    ob_event *e = ob_log(g, OB_MOVED, x);
    ob_go(g, voice);
    e->place = ob_fresh(g, 1u << g->place[x], OB_PLACES);
    ob_say(g, "%p", e->place);
    if (ob_chance(g, 70)) {
        e->reason = ob_fresh(g, g->seen[OB_REASON], OB_REASONS);
        ob_say(g, " %y", e->reason);
    }
    g->place[x] = e->place;
}

/* "gave Tom the key" when they are at the same place, else "went to the mill and gave Tom the key". In every
   sentence the holder of a thing is the last name before it: one rule finds him. */
static void ob_give(ob_gen *g, int voice, int x, const int *mine)
{
    static const char *const past[3] = { "gave", "handed", "passed" };
    static const char *const now[3] = { "gives", "hands", "passes" };
    int y, k, weight[2] = { 0, 0 }, far, to[OB_MAX_PEOPLE];
    ob_event *e = ob_log(g, OB_GAVE, x);
    for (y = 0; y < g->people; y++)
        if (y != x) weight[g->place[y] != g->place[x]]++;
    far = ob_pick(g, weight, 2);
    for (y = 0; y < g->people; y++) to[y] = y != x && far == (g->place[y] != g->place[x]);
    if (far) { /* where is written before to whom: two may stand at the same place */
        int at[OB_PLACES] = { 0 };
        for (y = 0; y < g->people; y++) at[g->place[y]] += to[y];
        ob_go(g, voice);
        e->place = ob_pick(g, at, OB_PLACES);
        ob_say(g, "%p and", e->place);
        for (y = 0; y < g->people; y++) to[y] = to[y] && g->place[y] == e->place;
    }
    ob_say(g, " %s", voice == OB_PRESENT ? OB_ONE_OF(g, now) : OB_ONE_OF(g, past));
    y = ob_pick(g, to, g->people);
    ob_say(g, " %n", g->person[y]);
    k = ob_pick(g, mine, g->items);
    ob_say(g, " %i", g->item[k]);
    g->place[x] = g->place[y];
    g->holder[k] = y;
    e->item = k;
    e->to = y;
}

static void ob_find(ob_gen *g, int voice, int x)
{
    ob_event *e = ob_log(g, OB_FOUND, x);
    ob_say(g, " %s", voice == OB_PRESENT ? "finds" : "found");
    e->item = ob_new_item(g, x);
    ob_say(g, " %l", g->place[x]);
}

/* One thing happens to one person; what can happen depends on the state. */
static void ob_happen(ob_gen *g, int voice)
{
    static const char *const past[2] = { "", "Then " };
    static const char *const now[2] = { "", "Then " };
    static const char *const ways[4] = { "quietly", "quickly", "slowly", "happily" };
    const char *opening = "";
    int x, k, held = 0, weight[OB_EVENTS], mine[OB_MAX_ITEMS], type;
    const ob_event *e;
    if (voice != OB_TOLD) opening = voice == OB_PAST ? OB_ONE_OF(g, past) : OB_ONE_OF(g, now);
    ob_say(g, "%s", opening);
    x = ob_any(g, g->people);
    if (voice != OB_TOLD && x == g->subject && ob_chance(g, 4))
        ob_say(g, g->person[x] < OB_FIRST_HE ? opening[0] ? "she" : "She" : opening[0] ? "he" : "He");
    else
        ob_say(g, "%n", g->person[x]);
    for (k = 0; k < g->items; k++) {
        mine[k] = g->holder[k] == x;
        held += mine[k];
    }
    weight[OB_MOVED] = 4;
    weight[OB_GAVE] = held && g->people > 1 ? 3 : 0;
    weight[OB_FOUND] = g->items < OB_MAX_ITEMS ? 1 : 0;
    type = ob_pick(g, weight, OB_EVENTS);
    if (voice != OB_TOLD && type != OB_FOUND && ob_chance(g, 4)) ob_say(g, " %s", OB_ONE_OF(g, ways));
    if (type == OB_MOVED) ob_move(g, voice, x);
    else if (type == OB_GAVE) ob_give(g, voice, x, mine);
    else ob_find(g, voice, x);
    ob_say(g, ".");
    g->subject = type == OB_GAVE || voice == OB_TOLD ? -1 : x; /* "she" must not be the one who was given it */
    e = &g->event[g->events - 1];
    if (e->item >= 0) g->facts &= ~(ob_fact_holds(e->item));
    if (e->place >= 0) g->facts &= ~ob_fact_where(x);
}

/* ------------------------------------------------------------------------------------- the questions */

static int ob_bits(uint32_t x)
{
    int n = 0;
    for (; x; x &= x - 1) n++;
    return n;
}

enum { OB_MAX_LIST = 64 };
typedef struct ob_list { ob_question q[OB_MAX_LIST]; int n; } ob_list;

static void ob_maybe(const ob_gen *g, ob_list *list, int type, int a, int b, int answer, unsigned facts)
{
    ob_question *q = &list->q[list->n];
    if (list->n >= OB_MAX_LIST || answer < 0 || (facts & g->facts)) return;
    q->type = type;
    q->a = a;
    q->b = b;
    q->answer = answer;
    q->facts = facts;
    if (ob_bits(g->seen[ob_question_category[type]]) >= 2) list->n++;
}

/* How often who did such a thing: to (item, place) of -1 stands for any. */
static int ob_times(const ob_gen *g, int type, int who, int item, int to, int place)
{
    int k, n = 0;
    for (k = 0; k < g->events; k++) {
        const ob_event *e = &g->event[k];
        n += (type < 0 || e->type == type) && (who < 0 || e->who == who) && (item < 0 || e->item == item)
             && (to < 0 || e->to == to) && (place < 0 || e->place == place);
    }
    return n;
}

static void ob_list_items(const ob_gen *g, ob_list *list)
{
    int k;
    for (k = 0; k < g->items; k++)
        ob_maybe(g, list, OB_WHO_HAS, g->item[k], 0, g->person[g->holder[k]], ob_fact_holds(k));
}

static void ob_list_people(const ob_gen *g, ob_list *list)
{
    int x;
    for (x = 0; x < g->people; x++)
        ob_maybe(g, list, OB_WHERE, g->person[x], 0, g->place[x], ob_fact_where(x));
}

/* Questions about one event are asked only when just one event fits their words. */
static void ob_list_events(const ob_gen *g, ob_list *list)
{
    int k;
    for (k = 0; k < g->events; k++) {
        const ob_event *e = &g->event[k];
        if (e->type == OB_MOVED && ob_times(g, -1, e->who, -1, -1, e->place) == 1)
            ob_maybe(g, list, OB_WHY, g->person[e->who], e->place, e->reason,
                     ob_fact_event(k) | ob_fact_where(e->who));
    }
}

static void ob_list_talk(const ob_gen *g, ob_list *list)
{
    int k;
    for (k = 0; k < OB_GOODS; k++)
        if (g->price[k] >= 0) ob_maybe(g, list, OB_HOW_MUCH, k, 0, g->price[k], ob_fact_price(k));
    if (g->user >= 0) ob_maybe(g, list, OB_MY_NAME, 0, 0, g->user, OB_FACT_NAME);
}

static void ob_ask(ob_gen *g, const ob_question *q)
{
    int now;
    switch (q->type) {
    case OB_WHO_HAS: ob_say(g, "Who has %i", q->a); break;
    case OB_WHERE: ob_say(g, "Where is %n", q->a); break;
    case OB_WHY: ob_say(g, "Why is %n %l", q->a, q->b); break;
    case OB_HOW_MUCH: ob_say(g, "How much is the %s", ob_goods[q->a]); break;
    default: ob_say(g, "What is my name"); break;
    }
    now = q->type == OB_WHO_HAS || q->type == OB_WHERE;
    if (now && ob_chance(g, 10)) ob_say(g, " now");
    ob_say(g, "?");
}

/* The answer for any candidate. */
static void ob_answer(char *out, const ob_question *q, int id)
{
    switch (q->type) {
    case OB_WHO_HAS: ob_write(out, " %n has %i", id, q->a); break;
    case OB_WHERE: ob_write(out, " %n is %l", q->a, id); break;
    case OB_WHY: ob_write(out, " %n is %l %y", q->a, q->b, id); break;
    case OB_HOW_MUCH: ob_write(out, " It is %m coins", id); break;
    default: ob_write(out, " You are %n", id); break;
    }
}

static int ob_latest(const ob_gen *g, int category, uint32_t ids)
{
    int k, best = -1;
    for (k = 0; k < ob_category_size[category]; k++)
        if ((ids >> k & 1u) && (best < 0 || g->last[category][k] > g->last[category][best])) best = k;
    return best;
}

enum { OB_ABOUT_STATE, OB_ABOUT_TALK, OB_ABOUT_ALL };

/* Every question that can be asked now; 0 = none. */
static int ob_list_all(const ob_gen *g, ob_list *list, int about)
{
    list->n = 0;
    if (g->asked == OB_MAX_ASKED) return 0;
    if (about != OB_ABOUT_TALK) {
        ob_list_items(g, list);
        ob_list_people(g, list);
        ob_list_events(g, list);
    }
    if (about != OB_ABOUT_STATE) ob_list_talk(g, list);
    return list->n;
}

static int ob_can_ask(const ob_gen *g, int about)
{
    ob_list list;
    return ob_list_all(g, &list, about);
}

/* One question, its answer and the full stop: "{before}Who has the key?{between} Tom has the key." */
static void ob_pose(ob_gen *g, const ob_question *q, const char *before, const char *between)
{
    char answer[128];
    ob_asked *a = &g->ask[g->asked++];
    a->q = *q;
    a->choices = g->seen[ob_question_category[q->type]];
    a->latest = ob_latest(g, ob_question_category[q->type], a->choices);
    ob_say(g, "%s", before);
    ob_ask(g, q);
    ob_say(g, "%s", between);
    a->prompt = g->length;
    ob_answer(answer, q, q->answer);
    ob_say(g, "%s", answer);
    a->answer = g->length;
    ob_say(g, ".");
    g->facts |= q->facts;
}

/* One question of those that can be asked now, drawn by type and then by what it asks about. */
static int ob_question_and_answer(ob_gen *g, int about, const char *before, const char *between)
{
    ob_list list;
    int k, type, per[OB_QUESTIONS] = { 0 }, weight[OB_QUESTIONS], which[OB_MAX_LIST];
    ob_question q;
    if (!ob_list_all(g, &list, about)) return 0;
    for (k = 0; k < list.n; k++) per[list.q[k].type] = 1;
    for (k = 0; k < OB_QUESTIONS; k++) weight[k] = per[k] ? ob_question_weight[k] : 0;
    type = ob_pick(g, weight, OB_QUESTIONS);
    for (k = 0; k < list.n; k++) which[k] = list.q[k].type == type;
    q = list.q[ob_pick(g, which, list.n)];
    ob_pose(g, &q, before, between);
    return 1;
}

/* ------------------------------------------------------------------------------------------- a story */

static void ob_opening(ob_gen *g)
{
    static const char *const weather[6] = { "cold", "warm", "quiet", "windy", "rainy", "foggy" };
    static const char *const time[4] = { "morning", "day", "evening", "night" };
    static const char *const village[4] = { "happy", "quiet", "little", "busy" };
    if (ob_chance(g, 30)) {
        ob_say(g, "Once there was a %s village. ", OB_ONE_OF(g, village));
        return;
    }
    ob_say(g, "It was a %s", OB_ONE_OF(g, weather));
    ob_say(g, " %s. ", OB_ONE_OF(g, time));
}

/* " A little goat slept." */
static void ob_mood(ob_gen *g, int voice)
{
    static const char *const adjectives[4] = { "little", "big", "hungry", "young" };
    static const char *const animals[6] = { "dog", "cat", "fox", "goat", "duck", "horse" };
    static const char *const past[6] = { "slept", "sang", "watched", "danced", "came by", "laughed" };
    static const char *const now[6] = { "sleeps", "sings", "watches", "dances", "comes by", "laughs" };
    ob_say(g, " A %s", OB_ONE_OF(g, adjectives));
    ob_say(g, " %s", OB_ONE_OF(g, animals));
    ob_say(g, " %s.", voice == OB_PAST ? OB_ONE_OF(g, past) : OB_ONE_OF(g, now));
    g->subject = -1;
}

/* Asks in a fixed order: where people are, who has what, and why those went who went. The first time about
   all, then about those whom the events since `from` concern, or now and then about everybody. The order carries no information, so nearly all that a model can still
   learn from these lines is to follow the story. */
static void ob_recap(ob_gen *g, int from, int everybody) /* from < 0: since the beginning */
{
    static const int order[3] = { OB_WHERE, OB_WHO_HAS, OB_WHY };
    ob_list list;
    int k, pass, e;
    g->facts = 0;
    ob_list_all(g, &list, OB_ABOUT_STATE);
    for (pass = 0; pass < 3; pass++)
        for (k = 0; k < list.n; k++) {
            int recent = 0;
            if (list.q[k].type != order[pass] || g->asked == OB_MAX_ASKED) continue;
            for (e = from < 0 ? 0 : from; e < g->events; e++) {
                recent |= (list.q[k].facts & ob_fact_event(e)) != 0;
                recent |= order[pass] == OB_WHERE && (list.q[k].facts & ob_fact_where(g->event[e].who)) != 0;
                recent |= g->event[e].item >= 0 && (list.q[k].facts & ob_fact_holds(g->event[e].item)) != 0;
            }
            if (from < 0 || recent || (everybody && order[pass] == OB_WHERE)) ob_pose(g, &list.q[k], "\nQ: ", "\nA:");
        }
}

/* Whether somebody had no part in the events since `from`: else asking about everybody asks the same. */
static int ob_is_idle(const ob_gen *g, int from)
{
    int x, e, busy, idle = 0;
    for (x = 0; x < g->people; x++) {
        for (busy = 0, e = from; e < g->events; e++) busy |= g->event[e].who == x;
        idle += !busy;
    }
    return idle > 0 && ob_bits(g->seen[OB_PLACE]) >= 2; /* one place alone is never asked for */
}

/* People are introduced, then things happen; after each part every question is asked. */
static void ob_story(ob_gen *g)
{
    int part, k, from;
    ob_opening(g);
    ob_introduce(g, OB_PRESENT);
    ob_say(g, " ");
    ob_introduce(g, OB_PRESENT);
    if (ob_chance(g, 25)) {
        ob_say(g, " ");
        ob_introduce(g, OB_PRESENT);
    }
    ob_recap(g, -1, 1);
    for (part = 0; part < 3; part++) {
        if (part > 0 && (g->length > OB_LAST_PART || !ob_chance(g, 60))) break;
        from = g->events;
        for (k = 0; k < 2; k++) {
            if (k > 0 && !ob_chance(g, 20)) break;
            ob_say(g, k ? " " : "\n");
            ob_happen(g, OB_PRESENT);
        }
        ob_recap(g, from, ob_is_idle(g, from) && ob_chance(g, 25));
    }
}

/* ------------------------------------------------------------------------------------ a conversation */

static void ob_you(ob_gen *g) { ob_say(g, g->length ? "\nYou: " : "You: "); }
static void ob_reply(ob_gen *g) { ob_say(g, "\n%s: ", ob_speakers[g->speaker]); }

/* "The tavern is warm tonight. Mira is at the mill with a red key. ..." */
static void ob_scene(ob_gen *g)
{
    static const char *const looks[OB_SPEAKERS][4] = {
        { "full", "warm", "busy", "quiet" }, { "open", "closed", "busy", "quiet" }, { "full", "noisy", "busy", "quiet" }
    };
    static const char *const times[4] = { "this morning", "this evening", "tonight", "today" };
    static const int hour[4] = { 0, 1, 1, -1 };
    int k, time;
    ob_say(g, "The ");
    g->speaker = ob_any(g, OB_SPEAKERS);
    ob_say(g, "%s is ", ob_places[g->speaker]);
    ob_say(g, "%s ", looks[g->speaker][ob_any(g, 4)]);
    time = ob_any(g, 4);
    g->hour = hour[time];
    ob_say(g, "%s. ", times[time]);
    ob_introduce(g, OB_PRESENT);
    ob_say(g, " ");
    ob_introduce(g, OB_PRESENT);
    if (ob_chance(g, 30)) {
        ob_say(g, " ");
        ob_introduce(g, OB_PRESENT);
    }
    for (k = 0; k < 2; k++) {
        if (!ob_chance(g, 60)) break;
        if (ob_chance(g, 20)) ob_mood(g, OB_PRESENT);
        ob_say(g, " ");
        ob_happen(g, OB_PRESENT);
    }
}

static void ob_hello(ob_gen *g)
{
    static const char *const remarks[OB_SPEAKERS][4] = {
        { "", " What can I bring you?", " Come in and sit by the fire.", " You look hungry." },
        { "", " What brings you here?", " Where are you going?", " You look tired." },
        { "", " What would you like to buy?", " My goods are fine today.", " Take a look." }
    };
    int hour;
    ob_you(g);
    switch (ob_any(g, 3)) {
    case 0: ob_say(g, "Hello!"); break;
    case 1: ob_say(g, "Hello there!"); break;
    default:
        ob_say(g, "Good ");
        hour = g->hour < 0 ? ob_any(g, 3) : g->hour;
        ob_say(g, "%s!", ob_hours[hour]);
        if (hour < 2) g->hour = hour;
        break;
    }
    if (ob_chance(g, 30)) {
        ob_say(g, ob_chance(g, 50) ? " I am" : " My name is");
        g->user = ob_fresh(g, g->seen[OB_PERSON], OB_NAMES);
        ob_say(g, " %n.", g->user);
    }
    ob_reply(g);
    if (g->user >= 0) {
        static const char *const greet[3] = { "Welcome, %n!", "Hello, %n!", "Good to meet you, %n." };
        ob_say(g, OB_ONE_OF(g, greet), g->user);
    } else {
        static const char *const greet[3] = { "Welcome, traveller!", "Hello, friend!", "Good %s to you." };
        ob_say(g, OB_ONE_OF(g, greet), ob_hours[g->hour < 0 ? 2 : g->hour]);
    }
    ob_say(g, "%s", remarks[g->speaker][ob_any(g, 4)]);
}

static void ob_bye(ob_gen *g)
{
    static const char *const away[4] = { "Goodbye!", "I must go now.", "Thank you and goodbye!", "Good night!" };
    static const char *const bye[4] = { "Goodbye", "Safe travels", "Come back soon", "Take care" };
    int weight[4] = { 1, 1, 1, 1 };
    weight[3] = g->hour != 0;
    ob_you(g);
    ob_say(g, "%s", away[ob_pick(g, weight, 4)]);
    ob_reply(g);
    ob_say(g, "%s", OB_ONE_OF(g, bye));
    switch (ob_any(g, 3)) {
    case 0: break;
    case 1: ob_say(g, ", friend"); break;
    default: if (g->user >= 0) ob_say(g, ", %n", g->user); else ob_say(g, ", traveller"); break;
    }
    ob_say(g, "!");
}

/* "You: I would like some soup, please." "Keeper: Of course. The soup is three coins." */
static void ob_order(ob_gen *g)
{
    static const char *const forms[4] = { "How much is the %s?", "I would like some %s, please.",
                                          "Can I have some %s?", "Do you have %s?" };
    static const char *const yes[3] = { "Of course. ", "Yes. ", "Here you are. " };
    int base = g->speaker == OB_KEEPER ? 0 : OB_FIRST_WARE, form, good, k;
    uint32_t used = 0;
    for (k = 0; k < 8; k++)
        if (g->price[base + k] >= 0) used |= 1u << k;
    form = ob_any(g, 4);
    ob_you(g);
    good = base + ob_fresh(g, used, 8);
    ob_say(g, forms[form], ob_goods[good]);
    ob_reply(g);
    if (form > 0) ob_say(g, "%s", yes[form == 3 ? 1 : ob_any(g, 3)]);
    g->price[good] = ob_any(g, OB_PRICES);
    ob_say(g, "The %s is %m coins.", ob_goods[good], g->price[good]);
}

static void ob_room(ob_gen *g)
{
    static const char *const asks[3] = { "Do you have a room?", "I need a room for the night.", "Can I sleep here?" };
    static const char *const rooms[4] = { "small", "warm", "quiet", "clean" };
    ob_you(g);
    ob_say(g, "%s", OB_ONE_OF(g, asks));
    ob_reply(g);
    if (ob_chance(g, 20)) {
        ob_say(g, "I am sorry, all the rooms are full.");
        return;
    }
    ob_say(g, "Yes, I have a %s room", OB_ONE_OF(g, rooms));
    ob_say(g, " for %m coins.", ob_any(g, OB_PRICES));
}

static void ob_news(ob_gen *g)
{
    static const char *const asks[4] = { "What is the news?", "Is there any news?", "Tell me a story.",
                                         "Have you heard anything?" };
    static const char *const beasts[6] = { "wolf", "bear", "fox", "ghost", "giant", "dragon" };
    static const char *const deeds[4] = { "was seen", "sleeps", "sings at night", "lives" };
    static const char *const ends[4] = { "sang every night", "slept all day", "had many friends", "was very happy" };
    int ask = ob_any(g, 4);
    ob_you(g);
    ob_say(g, "%s", asks[ask]);
    ob_reply(g);
    if (ask == 2) {
        ob_say(g, "Once a %s lived", OB_ONE_OF(g, beasts));
        ob_say(g, " %l. It ", ob_any(g, OB_PLACES));
        ob_say(g, "%s.", OB_ONE_OF(g, ends));
    } else if (ob_chance(g, 20)) {
        ob_say(g, "Nothing new today.");
    } else {
        ob_say(g, "They say a %s", OB_ONE_OF(g, beasts));
        ob_say(g, " %s", OB_ONE_OF(g, deeds));
        ob_say(g, " %l.", ob_any(g, OB_PLACES));
    }
}

/* Small talk: what You say and three replies. */
enum { OB_TALKS = 8 };
static const char *const ob_talks[OB_TALKS][4] = {
    { "How are you?", "Very well, thank you.", "A little tired, but happy.", "I am fine, and you?" },
    { "Can you help me?", "Of course. What do you need?", "I will try.", "Yes, what is it?" },
    { "It is cold today.", "Yes, and the wind is strong.", "Take a warm cloak.", "Winter is near." },
    { "I am tired.", "Then sit down and rest.", "It was a long day.", "Have some tea, friend." },
    { "Do you like it here?", "Yes, very much.", "Most days, yes.", "It is a good village." },
    { "Is the road safe?", "By day it is.", "Stay away from the forest at night.", "Yes, the road is safe." },
    { "I am lost.", "The market is near the gate.", "Stay here until morning.", "Where do you want to go?" },
    { "Thank you.", "You are welcome.", "Any time, friend.", "My pleasure." }
};

static void ob_small_talk(ob_gen *g)
{
    static const char *const who[OB_SPEAKERS] = {
        "I am the keeper of this tavern.", "I guard this gate.", "I am a merchant of this market."
    };
    int k = ob_fresh(g, g->told, OB_TALKS + 2);
    g->told |= 1u << k;
    ob_you(g);
    if (k < OB_TALKS) ob_say(g, "%s", ob_talks[k][0]);
    else ob_say(g, k == OB_TALKS ? "Who are you?" : "Where am I?");
    ob_reply(g);
    if (k < OB_TALKS) ob_say(g, "%s", ob_talks[k][1 + ob_any(g, 3)]);
    else if (k == OB_TALKS) ob_say(g, "%s", who[g->speaker]);
    else ob_say(g, "You are %l.", g->speaker);
}

/* You tell something new: who somebody is, or what happened. */
static void ob_tell(ob_gen *g)
{
    static const char *const reply[4] = { "I see.", "Thank you for telling me.", "I will remember that.", "Good to know." };
    int weight[2];
    weight[0] = g->people < 2 ? 2 : g->people < OB_MAX_PEOPLE ? 1 : 0;
    weight[1] = g->people > 0 && g->events < OB_MAX_EVENTS ? 2 : 0;
    ob_you(g);
    if (ob_pick(g, weight, 2)) ob_happen(g, OB_TOLD);
    else ob_introduce(g, OB_PRESENT);
    ob_reply(g);
    ob_say(g, "%s", OB_ONE_OF(g, reply));
}

static int ob_question_turn(ob_gen *g)
{
    static const char *const tails[4] = { " I am sure.", " Everyone knows that.", " I saw it.", " Why do you ask?" };
    char between[16] = "\n";
    strcat(strcat(between, ob_speakers[g->speaker]), ":");
    if (!ob_question_and_answer(g, g->people ? OB_ABOUT_ALL : OB_ABOUT_TALK, g->length ? "\nYou: " : "You: ", between))
        return 0;
    if (ob_chance(g, 15)) ob_say(g, "%s", OB_ONE_OF(g, tails));
    return 1;
}

/* The speaker asks and You answer. */
static void ob_quiz(ob_gen *g)
{
    static const char *const praise[3] = { "That is right.", "Very good.", "Yes, that is true." };
    char before[32] = "\n";
    ob_you(g);
    if (g->speaker == OB_GUARD && ob_chance(g, 50)) ob_say(g, "May I pass?");
    else ob_say(g, "Ask me something.");
    strcat(strcat(before, ob_speakers[g->speaker]), ": ");
    if (!ob_question_and_answer(g, OB_ABOUT_STATE, before, "\nYou:")) {
        ob_reply(g);
        ob_say(g, "I have no questions.");
        return;
    }
    ob_reply(g);
    ob_say(g, "%s", OB_ONE_OF(g, praise));
}

enum { OB_T_QUESTION, OB_T_TELL, OB_T_QUIZ, OB_T_ORDER, OB_T_ROOM, OB_T_NEWS, OB_T_TALK, OB_TURNS };

static void ob_turn(ob_gen *g)
{
    int weight[OB_TURNS], priced = 0, k, can_ask;
    for (k = 0; k < OB_GOODS; k++) priced += g->price[k] >= 0;
    can_ask = ob_can_ask(g, g->people ? OB_ABOUT_ALL : OB_ABOUT_TALK);
    weight[OB_T_QUESTION] = can_ask ? 24 : 0;
    weight[OB_T_TELL] = g->people < 2 || g->events < OB_MAX_EVENTS ? 3 : 0;
    weight[OB_T_QUIZ] = g->people && ob_can_ask(g, OB_ABOUT_STATE) ? 1 : 0;
    weight[OB_T_ORDER] = g->speaker != OB_GUARD && priced < 4 ? 3 : 0;
    weight[OB_T_ROOM] = g->speaker == OB_KEEPER ? 1 : 0;
    weight[OB_T_NEWS] = 1;
    weight[OB_T_TALK] = 2;
    switch (ob_pick(g, weight, OB_TURNS)) {
    case OB_T_QUESTION: ob_question_turn(g); break;
    case OB_T_TELL: ob_tell(g); break;
    case OB_T_QUIZ: ob_quiz(g); break;
    case OB_T_ORDER: ob_order(g); break;
    case OB_T_ROOM: ob_room(g); break;
    case OB_T_NEWS: ob_news(g); break;
    default: ob_small_talk(g); break;
    }
}

static void ob_dialogue(ob_gen *g)
{
    static const int speakers[OB_SPEAKERS] = { 3, 1, 1 };
    int k;
    if (ob_chance(g, 75)) ob_scene(g);
    else g->speaker = ob_pick(g, speakers, OB_SPEAKERS);
    if (g->people == 0 || ob_chance(g, 70)) ob_hello(g);
    for (k = 0; k < 6 && g->length < OB_SOFT_LIMIT; k++) {
        if (k >= 3 && !ob_chance(g, 70)) break;
        ob_turn(g);
    }
    if (ob_chance(g, 70)) ob_bye(g);
}

/* ------------------------------------------------------------------------------------------ documents */

static void ob_start(ob_gen *g)
{
    int k;
    memset(g, 0, sizeof *g);
    for (k = 0; k < OB_GOODS; k++) g->price[k] = -1;
    g->user = g->hour = g->subject = -1;
}

static void ob_document(ob_gen *g, int kind)
{
    if (kind == OB_MIX) kind = ob_chance(g, 25) ? OB_DIALOGUE : OB_STORY;
    if (kind == OB_DIALOGUE) ob_dialogue(g);
    else ob_story(g);
}

/* FNV-1a, then mixed so that the low digits depend on every byte. */
static uint64_t ob_hash_more(uint64_t h, const char *s, size_t n)
{
    size_t k;
    for (k = 0; k < n; k++) h = (h ^ (unsigned char)s[k]) * 0x100000001b3ULL;
    return h;
}

static uint64_t ob_hash(const char *s, size_t n) { return ob_mix(ob_hash_more(0xcbf29ce484222325ULL, s, n)); }

static int ob_is_held_out(const ob_gen *g) { return ob_hash(g->text, (size_t)g->length) % OB_HELD_OUT == 0; }

typedef struct ob_stream { uint64_t seed, index; int kind, held_out; } ob_stream;

/* The next document of the set; documents of the other set are skipped. */
static void ob_next(ob_stream *s, ob_gen *g)
{
    do {
        ob_start(g);
        g->random = ob_mix(ob_mix(s->seed) + 0x9e3779b97f4a7c15ULL * ++s->index);
        ob_document(g, s->kind);
    } while (ob_is_held_out(g) != s->held_out);
}

static double ob_set_bits(int held_out)
{
    return held_out ? ob_log2(OB_HELD_OUT) : ob_log2((double)OB_HELD_OUT / (double)(OB_HELD_OUT - 1));
}

/* --------------------------------------------------------------------------------------------- output */

static const char ob_separator[] = "\n<|endoftext|>\n";
enum { OB_TXT, OB_JSONL, OB_QA };
enum { OB_LINE = 16 * OB_TEXT };

/* s as a JSON string with its quotes, appended to out. */
static int ob_json(char *out, int at, const char *s, int n)
{
    static const char hex[] = "0123456789abcdef";
    int k;
    char one[8];
    at = ob_add(out, at, OB_LINE, "\"");
    for (k = 0; k < n; k++) {
        unsigned char c = (unsigned char)s[k];
        memset(one, 0, sizeof one);
        if (c == '"' || c == '\\') { one[0] = '\\'; one[1] = (char)c; }
        else if (c == '\n') { one[0] = '\\'; one[1] = 'n'; }
        else if (c < 0x20) { memcpy(one, "\\u00", 4); one[4] = hex[c >> 4]; one[5] = hex[c & 15]; }
        else one[0] = (char)c;
        at = ob_add(out, at, OB_LINE, one);
    }
    return ob_add(out, at, OB_LINE, "\"");
}

static int ob_json_field(char *out, int at, const char *before, const char *s, int n)
{
    return ob_json(out, ob_add(out, at, OB_LINE, before), s, n);
}

static uint32_t ob_choices(const ob_asked *a, int all)
{
    int size = ob_category_size[ob_question_category[a->q.type]];
    return all ? (size == 32 ? UINT32_MAX : (1u << size) - 1u) : a->choices;
}

static void ob_qa_line(char *out, const ob_gen *g, const ob_asked *a, int all)
{
    char answer[128];
    const char *end = ".";
    uint32_t choices = ob_choices(a, all);
    int id, first = 1, at = 0;
    at = ob_json_field(out, at, "{\"prompt\": ", g->text, a->prompt);
    at = ob_json_field(out, at, ", \"answer\": ", g->text + a->prompt, a->answer - a->prompt);
    at = ob_json_field(out, at, ", \"terminator\": ", end, (int)strlen(end));
    at = ob_add(out, at, OB_LINE, ", \"choices\": [");
    for (id = 0; id < 32; id++) {
        if (!(choices >> id & 1u)) continue;
        ob_answer(answer, &a->q, id);
        at = ob_json_field(out, at, first ? "" : ", ", answer, (int)strlen(answer));
        first = 0;
    }
    at = ob_json_field(out, at, "], \"type\": ", ob_question_names[a->q.type], (int)strlen(ob_question_names[a->q.type]));
    at = ob_add(out, at, OB_LINE, "}");
    (void)at;
}

/* Writes one document; returns the bytes written, 0 = write error. */
static uint64_t ob_print(FILE *file, const ob_gen *g, int format, int all)
{
    static char line[OB_LINE];
    uint64_t bytes = 0;
    int k;
    if (format == OB_TXT) {
        if (fputs(g->text, file) < 0 || fputs(ob_separator, file) < 0) return 0;
        return (uint64_t)g->length + sizeof ob_separator - 1;
    }
    if (format == OB_JSONL) {
        k = ob_json_field(line, 0, "{\"text\": ", g->text, g->length);
        ob_add(line, k, OB_LINE, "}");
        return fputs(line, file) < 0 || fputc('\n', file) < 0 ? 0 : strlen(line) + 1;
    }
    for (k = 0; k < g->asked; k++) {
        ob_qa_line(line, g, &g->ask[k], all);
        if (fputs(line, file) < 0 || fputc('\n', file) < 0) return 0;
        bytes += strlen(line) + 1;
    }
    return bytes;
}

/* ----------------------------------------------------------------------------------------- statistics */

enum { OB_WORD_SLOTS = 4096, OB_WORD = 24 };

typedef struct ob_stats {
    double documents, bytes, bits, square, questions, chance, chance_all, latest;
    double per[OB_QUESTIONS], least;
    int longest, words;
    char word[OB_WORD_SLOTS][OB_WORD];
} ob_stats;

static void ob_count_word(ob_stats *s, const char *word, int n)
{
    unsigned at = (unsigned)(ob_hash(word, (size_t)n) % OB_WORD_SLOTS);
    if (n >= OB_WORD || s->words >= OB_WORD_SLOTS / 2) return;
    while (s->word[at][0] && (strncmp(s->word[at], word, (size_t)n) != 0 || s->word[at][n]))
        at = (at + 1) % OB_WORD_SLOTS;
    if (s->word[at][0]) return;
    memcpy(s->word[at], word, (size_t)n);
    s->words++;
}

static int ob_is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

static void ob_count(ob_stats *s, const ob_gen *g, int held_out)
{
    int k, from;
    s->documents += 1;
    s->bytes += g->length + (double)sizeof ob_separator - 1;
    s->bits += g->bits - ob_set_bits(held_out);
    s->square += ob_exp2_minus(g->bits);
    if (s->documents < 2 || g->bits < s->least) s->least = g->bits;
    if (g->length > s->longest) s->longest = g->length;
    for (k = 0; k < g->asked; k++) {
        const ob_asked *a = &g->ask[k];
        s->questions += 1;
        s->per[a->q.type] += 1;
        s->chance += 1.0 / ob_bits(ob_choices(a, 0));
        s->chance_all += 1.0 / ob_bits(ob_choices(a, 1));
        s->latest += a->latest == a->q.answer;
    }
    for (k = from = 0; k <= g->length; k++) {
        if (k < g->length && ob_is_letter(g->text[k])) continue;
        if (k > from) ob_count_word(s, g->text + from, k - from);
        from = k + 1;
    }
}

static void ob_show(const ob_stats *s)
{
    double n = s->documents > 0 ? s->documents : 1, q = s->questions > 0 ? s->questions : 1;
    double spread = ob_sqrt((double)(OB_HELD_OUT - 1) / (double)(OB_HELD_OUT * OB_HELD_OUT) * s->square / n);
    int k;
    fprintf(stderr, "documents        %.0f, %.1f bytes each, longest %d, %d distinct words\n",
            s->documents, s->bytes / n, s->longest, s->words);
    fprintf(stderr, "entropy          %.1f bits in %.0f bytes = %.6f bits per byte (%.6f nats)\n",
            s->bits, s->bytes, s->bits / s->bytes, s->bits / s->bytes * 0.69314718055994530942);
    fprintf(stderr, "per document     %.2f bits, least %.2f\n", s->bits / n, s->least);
    fprintf(stderr, "held-out share   1/%d, standard deviation %.2g\n", OB_HELD_OUT, spread);
    fprintf(stderr, "questions        %.0f, %.2f per document\n", s->questions, s->questions / n);
    fprintf(stderr, "by chance        %.1f %% right among the candidates of the document, %.1f %% among all\n",
            100 * s->chance / q, 100 * s->chance_all / q);
    fprintf(stderr, "last mentioned   %.1f %% right\n", 100 * s->latest / q);
    for (k = 0; k < OB_QUESTIONS; k++)
        fprintf(stderr, "  %-18s %5.1f %%\n", ob_question_names[k], 100 * s->per[k] / q);
}

/* ---------------------------------------------------------------------------------------------- check */

static int ob_failures;

static void ob_expect(int good, const char *what)
{
    fprintf(stderr, "%s  %s\n", good ? "ok  " : "FAIL", what);
    ob_failures += !good;
}

/* Reads text back: tries every sequence of choices that writes it and counts those that do. A sequence is
   given up where it leaves the text, and the last choice made before is taken differently. */
static int ob_derivations(const char *text, int length, int kind, double *bits)
{
    static ob_gen g;
    unsigned char script[OB_PICKS];
    int n = 0, count = 0, tries = 0;
    for (;;) {
        ob_start(&g);
        g.target = text;
        g.script = script;
        g.scripted = n;
        ob_document(&g, kind);
        if (!g.dead && g.length == length) {
            count++;
            *bits = g.bits;
        }
        for (n = g.picks; n > 0 && g.choice[n - 1] + 1 >= g.fan[n - 1]; n--) {}
        if (n == 0 || ++tries > 1000000) return n == 0 ? count : -1;
        memcpy(script, g.choice, (size_t)n);
        script[n - 1]++;
    }
}

static void ob_check_derivations(void)
{
    static ob_gen g;
    ob_stream s = { 9, 0, OB_MIX, 0 };
    int k, unique = 1, same = 1, within = 1;
    for (k = 0; k < 400; k++) {
        double bits = 0, difference;
        ob_next(&s, &g);
        unique &= ob_derivations(g.text, g.length, OB_MIX, &bits) == 1;
        difference = bits - g.bits;
        same &= difference < 1e-9 && difference > -1e-9;
        within &= g.picks < OB_PICKS && g.length < OB_HARD_LIMIT;
    }
    ob_expect(unique, "400 documents read back: each has exactly one derivation");
    ob_expect(same, "the derivation read back has the bits of the one that wrote it");
    ob_expect(within, "documents keep within their limits");
}

typedef struct ob_pair { uint64_t text, choices; } ob_pair;

static int ob_pair_order(const void *a, const void *b)
{
    const ob_pair *x = (const ob_pair *)a, *y = (const ob_pair *)b;
    if (x->text != y->text) return x->text < y->text ? -1 : 1;
    return x->choices < y->choices ? -1 : x->choices > y->choices;
}

static void ob_check_distinct(void)
{
    enum { N = 200000 };
    static ob_gen g;
    ob_stream s = { 10, 0, OB_MIX, 0 };
    ob_pair *pairs = (ob_pair *)malloc(N * sizeof *pairs);
    int k, held = 0, good = 1, distinct = 1;
    if (!pairs) {
        ob_expect(0, "memory for 200000 pairs");
        return;
    }
    for (k = 0; k < N; k++) { /* of both sets */
        ob_start(&g);
        g.random = ob_mix(ob_mix(s.seed) + 0x9e3779b97f4a7c15ULL * ++s.index);
        ob_document(&g, OB_MIX);
        pairs[k].text = ob_hash(g.text, (size_t)g.length);
        pairs[k].choices = ob_hash((const char *)g.choice, (size_t)g.picks);
        held += ob_is_held_out(&g);
    }
    qsort(pairs, N, sizeof *pairs, ob_pair_order);
    for (k = 1; k < N; k++) {
        distinct += pairs[k].text != pairs[k - 1].text;
        good &= (pairs[k].text == pairs[k - 1].text) == (pairs[k].choices == pairs[k - 1].choices);
    }
    free(pairs);
    fprintf(stderr, "      %d of %d documents are different, %d held out\n", distinct, (int)N, held);
    ob_expect(good, "200000 documents: equal texts are equal choices");
    ob_expect(held > N / OB_HELD_OUT - 600 && held < N / OB_HELD_OUT + 600, "one document of 20 is held out");
}

static uint64_t ob_hash_of(uint64_t seed, int kind, int held_out, size_t bytes)
{
    static ob_gen g;
    ob_stream s;
    uint64_t h = 0xcbf29ce484222325ULL;
    s.seed = seed;
    s.index = 0;
    s.kind = kind;
    s.held_out = held_out;
    while (bytes > 0) {
        size_t n;
        ob_next(&s, &g);
        ob_add(g.text, g.length, OB_TEXT, ob_separator);
        n = strlen(g.text) < bytes ? strlen(g.text) : bytes;
        h = ob_hash_more(h, g.text, n);
        bytes -= n;
    }
    return h;
}

static void ob_check_golden(void)
{
    uint64_t h = ob_hash_of(1, OB_MIX, 0, 100000);
    fprintf(stderr, "      hash of the first 100000 bytes of seed 1: 0x%08lx%08lx\n",
            (unsigned long)(h >> 32), (unsigned long)(h & 0xffffffffu));
    ob_expect(h == OB_GOLDEN, "the text of seed 1 is the one it always was");
    ob_expect(h == ob_hash_of(1, OB_MIX, 0, 100000), "the same seed gives the same text");
    ob_expect(h != ob_hash_of(2, OB_MIX, 0, 100000), "another seed gives another text");
    ob_expect(h != ob_hash_of(1, OB_MIX, 1, 100000), "the held-out text is another one");
}

static void ob_check_entropy(void)
{
    static ob_gen g;
    static ob_stats s[3];
    int kind, k, good = 1;
    for (kind = OB_MIX; kind <= OB_DIALOGUE; kind++) {
        ob_stream stream = { 11, 0, 0, 0 };
        stream.kind = kind;
        for (k = 0; k < 2000; k++) {
            ob_next(&stream, &g);
            ob_count(&s[kind], &g, 0);
        }
        fprintf(stderr, "      kind %d: %.4f bits per byte\n", kind, s[kind].bits / s[kind].bytes);
        good &= s[kind].bits > OB_LEAST_BITS * s[kind].bytes && s[kind].bits < 1.0 * s[kind].bytes;
    }
    ob_expect(good, "bits per byte of every kind within bounds");
    ob_expect(s[OB_MIX].words >= 200 && s[OB_MIX].words <= 450, "200 to 450 distinct words");
    ob_expect(s[OB_MIX].chance < 0.5 * s[OB_MIX].questions, "less than half of the questions are right by chance");
}

/* Reads the JSON string at *p into out; 0 = not a string. */
static int ob_json_read(const char **p, char *out)
{
    const char *s = *p;
    if (*s++ != '"') return 0;
    while (*s && *s != '"') {
        if ((unsigned char)*s < 0x20) return 0;
        if (*s != '\\') {
            *out++ = *s++;
            continue;
        }
        s++;
        if (*s == 'n') *out++ = '\n';
        else if (*s == '"' || *s == '\\') *out++ = *s;
        else if (strncmp(s, "u00", 3) == 0) {
            const char *digits = "0123456789abcdef", *high = strchr(digits, s[3]), *low = strchr(digits, s[4]);
            if (!high || !low) return 0;
            *out++ = (char)((high - digits) * 16 + (low - digits));
            s += 4;
        } else return 0;
        s++;
    }
    *out = 0;
    *p = s + 1;
    return *s == '"';
}

static int ob_take_text(const char **p, const char *text)
{
    size_t n = strlen(text);
    if (strncmp(*p, text, n) != 0) return 0;
    *p += n;
    return 1;
}

static int ob_check_line(const char *line, const char *text)
{
    static char prompt[OB_LINE], answer[OB_LINE], end[OB_LINE], one[OB_LINE], before[OB_LINE];
    const char *p = line;
    int found = 0, choices = 0;
    size_t a, b;
    if (!ob_take_text(&p, "{\"prompt\": ") || !ob_json_read(&p, prompt)) return 0;
    if (!ob_take_text(&p, ", \"answer\": ") || !ob_json_read(&p, answer)) return 0;
    if (!ob_take_text(&p, ", \"terminator\": ") || !ob_json_read(&p, end)) return 0;
    if (!ob_take_text(&p, ", \"choices\": [")) return 0;
    before[0] = 0;
    do {
        if (!ob_json_read(&p, one) || strcmp(one, before) == 0) return 0;
        found += strcmp(one, answer) == 0;
        choices++;
        strcpy(before, one);
    } while (ob_take_text(&p, ", "));
    if (!ob_take_text(&p, "], \"type\": ") || !ob_json_read(&p, one)) return 0;
    if (strcmp(p, "}") != 0) return 0;
    a = strlen(prompt);
    b = strlen(answer);
    return found == 1 && choices >= 2 && strncmp(text, prompt, a) == 0 && strncmp(text + a, answer, b) == 0
           && strncmp(text + a + b, end, strlen(end)) == 0 && answer[0] == ' ' && prompt[a - 1] == ':';
}

static int ob_clean(const char *s)
{
    int k;
    for (k = 0; s[k]; k++) {
        if (s[k] != '\n' && (s[k] < 0x20 || s[k] > 0x7e)) return 0;
        if (s[k] == ' ' && (s[k + 1] == ' ' || s[k + 1] == '\n' || s[k + 1] == 0 || k == 0)) return 0;
        if (strncmp(s + k, " a ", 3) == 0 && strchr("aeiou", s[k + 3])) return 0;
        if (s[k] == '%') return 0;
    }
    return k > 0 && strchr(".!?", s[k - 1]) != NULL;
}

static void ob_check_lines(void)
{
    static ob_gen g;
    static char line[OB_LINE], back[OB_LINE];
    ob_stream s = { 12, 0, OB_MIX, 1 };
    const char *p;
    int k, q, good = 1, text = 1, clean = 1;
    for (k = 0; k < 2000; k++) {
        ob_next(&s, &g);
        ob_json(line, 0, g.text, g.length);
        p = line;
        text &= ob_json_read(&p, back) && *p == 0 && strcmp(back, g.text) == 0;
        clean &= ob_clean(g.text);
        for (q = 0; q < g.asked; q++) {
            int all;
            for (all = 0; all < 2; all++) {
                ob_qa_line(line, &g, &g.ask[q], all);
                good &= ob_check_line(line, g.text);
            }
        }
    }
    ob_json(line, 0, "a\"b\\c\n\t\x01", 8);
    ob_expect(strcmp(line, "\"a\\\"b\\\\c\\n\\u0009\\u0001\"") == 0, "JSON escapes");
    ob_expect(text, "a document read back from JSON is the document");
    ob_expect(good, "prompt + answer + terminator begins the document; the answer is one of the choices");
    ob_expect(clean, "documents are clean ASCII, \"a\" stands before consonants, sentences end");
}

static int ob_check(void)
{
    ob_check_golden();
    ob_check_entropy();
    ob_check_lines();
    ob_check_derivations();
    ob_check_distinct();
    fprintf(stderr, ob_failures ? "%d checks failed\n" : "all checks passed\n", ob_failures);
    return ob_failures != 0;
}

/* ----------------------------------------------------------------------------------------------- main */

typedef struct ob_options {
    ob_stream stream;
    uint64_t bytes, documents;
    int format, all, stats;
    const char *output;
} ob_options;

static void ob_help(void)
{
    fputs("usage: onebit-corpus [options]\n"
          "  --seed N            another text for every N (1)\n"
          "  --bytes N           stop behind the document that reaches N bytes of output (1000000)\n"
          "  --documents N       stop after N documents\n"
          "  --format FORMAT     txt, jsonl or qa (txt)\n"
          "  --kind KIND         mix, story or dialogue (mix)\n"
          "  --held-out          documents that are never in the training text\n"
          "  --choices WHICH     candidates of qa: story (those of the document) or all (story)\n"
          "  --output FILE       write there instead of to standard output\n"
          "  --stats             print the entropy and more to standard error\n"
          "  --check             test the program itself; 0 = good\n"
          "  --help, --version\n", stdout);
}

static int ob_bad(const char *what, const char *value)
{
    fprintf(stderr, "onebit-corpus: %s '%s'; see --help\n", what, value);
    return 2;
}

static int ob_number(const char *s, uint64_t *out)
{
    char *end;
    unsigned long long n;
    if (*s < '0' || *s > '9') return 0;
    errno = 0;
    n = strtoull(s, &end, 10);
    *out = (uint64_t)n;
    return *end == 0 && errno == 0;
}

static int ob_word(const char *s, const char *a, const char *b, const char *c)
{
    return !strcmp(s, a) ? 0 : b && !strcmp(s, b) ? 1 : c && !strcmp(s, c) ? 2 : -1;
}

/* Sets the option name to value; 0 = no such name or value. */
static int ob_option(ob_options *o, const char *name, const char *value)
{
    if (!strcmp(name, "--seed")) return ob_number(value, &o->stream.seed);
    if (!strcmp(name, "--bytes")) return ob_number(value, &o->bytes);
    if (!strcmp(name, "--documents")) return ob_number(value, &o->documents) && (o->bytes = UINT64_MAX) != 0;
    if (!strcmp(name, "--format")) return (o->format = ob_word(value, "txt", "jsonl", "qa")) >= 0;
    if (!strcmp(name, "--kind")) return (o->stream.kind = ob_word(value, "mix", "story", "dialogue")) >= 0;
    if (!strcmp(name, "--choices")) return (o->all = ob_word(value, "story", "all", NULL)) >= 0;
    if (!strcmp(name, "--output")) return (o->output = value) != NULL && *value;
    return 0;
}

static int ob_run(ob_options *o)
{
    static ob_gen g;
    static ob_stats stats;
    uint64_t bytes = 0, n = 0, more;
    int good = 1;
    FILE *file = o->output ? fopen(o->output, "wb") : stdout;
    if (!file) {
        fprintf(stderr, "onebit-corpus: cannot open '%s': %s\n", o->output, strerror(errno));
        return 1;
    }
    while (good && bytes < o->bytes && n < o->documents) {
        ob_next(&o->stream, &g);
        more = ob_print(file, &g, o->format, o->all);
        good = more > 0 || (o->format == OB_QA && g.asked == 0);
        bytes += more;
        n++;
        if (o->stats) ob_count(&stats, &g, o->stream.held_out);
    }
    if (fflush(file) != 0) good = 0;
    if (o->output && fclose(file) != 0) good = 0;
    if (!good) fprintf(stderr, "onebit-corpus: cannot write: %s\n", strerror(errno));
    if (good && o->stats) ob_show(&stats);
    return !good;
}

int main(int argc, char **argv)
{
    ob_options o;
    int k;
    memset(&o, 0, sizeof o);
    o.stream.seed = 1;
    o.bytes = 1000000;
    o.documents = UINT64_MAX;
    for (k = 1; k < argc; k++) {
        if (!strcmp(argv[k], "--help")) return ob_help(), 0;
        if (!strcmp(argv[k], "--version")) return puts("onebit-corpus " OB_VERSION) < 0;
        if (!strcmp(argv[k], "--check")) return ob_check();
        if (!strcmp(argv[k], "--stats")) o.stats = 1;
        else if (!strcmp(argv[k], "--held-out")) o.stream.held_out = 1;
        else if (k + 1 >= argc) return ob_bad("unknown option, or its value is missing:", argv[k]);
        else if (!ob_option(&o, argv[k], argv[k + 1])) return ob_bad("unknown option or value:", argv[k]);
        else k++;
    }
    return ob_run(&o);
}
