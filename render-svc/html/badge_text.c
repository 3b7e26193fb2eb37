#include "render-svc/html/badge_text.h"

#include <unicase.h>
#include <unictype.h>
#include <unigbrk.h>
#include <uninorm.h>
#include <unistr.h>
#include <uniwidth.h>

#define SIZE(array) (sizeof(array) / sizeof((array)[0]))

/* All widths are those of a font of 11 pixels, in hundredths of a pixel. */
#define FONT_SIZE   11
#define EM_WIDTH    1100
#define EMOJI_WIDTH 1375

/* How much wider bold letters are, in thousandths of their width. */
#define BOLD       155
#define BOLD_OTHER 50 /* many scripts have no bold font */

/* --- the text as it is shown --- */

/* Georgian capital letters are newer than most fonts. */
static ucs4_t to_capital(ucs4_t c)
{
    return c >= 0x10D0 && c <= 0x10FF ? c : uc_toupper(c);
}

void badge_text_add(struct buffer *to, const char *text, size_t len, bool capitals)
{
    const uint8_t *at = (const uint8_t *)text, *end = at + len;
    size_t start = to->len;
    ucs4_t c;

    while (at != end) {
        at += u8_mbtouc(&c, at, (size_t)(end - at));
        if (c == ' ' && (to->len == start || to->bytes[to->len - 1] == ' '))
            continue;
        buffer_reserve(to, 4);
        to->len +=
            (size_t)u8_uctomb((uint8_t *)to->bytes + to->len, capitals ? to_capital(c) : c, 4);
    }
    if (to->len != start && to->bytes[to->len - 1] == ' ')
        --to->len;
}

size_t badge_text_count(const char *text, size_t len)
{
    return u8_mbsnlen((const uint8_t *)text, len);
}

/* --- letters that Verdana has --- */

static const short ASCII[] = {
    387,  433, 505, 900, 699, 1184, 799, 296,  499, 499, 699, 900, 400, 499,  400, 499, /*   */
    699,  699, 699, 699, 699, 699,  699, 699,  699, 699, 499, 499, 900, 900,  900, 600, /* 0 */
    1100, 752, 754, 768, 848, 696,  632, 853,  827, 463, 500, 762, 612, 927,  823, 866, /* @ */
    663,  866, 765, 752, 678, 805,  752, 1088, 754, 677, 754, 499, 499, 499,  900, 699, /* P */
    699,  661, 685, 573, 685, 655,  387, 685,  696, 302, 379, 651, 302, 1070, 696, 668, /* ` */
    685,  685, 469, 573, 433, 696,  651, 900,  651, 651, 578, 698, 499, 698,  900,      /* p */
};

static const short LATIN_1_SIGNS[] = {
    387, 433, 699, 699, 699, 699, 500, 699, 699, 1100, 600, 709, 900,  0,    1100, 699, /* U+00A0 */
    596, 900, 596, 596, 699, 706, 699, 400, 699, 596,  600, 709, 1100, 1100, 1100, 600, /* U+00B0 */
};

static const short GREEK[] = {
    752, 754, 623, 773, 696, 754, 827, 866, 463, 762, 754, 927, 823, 714, 866, /* U+0391 */
    827, 663, 0,   740, 678, 677, 901, 754, 958, 900, 463, 677, 685, 564, 696, /* U+03A0 */
    302, 694, 685, 682, 651, 669, 564, 503, 696, 686, 302, 651, 651, 704, 651, /* U+03AF */
    553, 668, 701, 688, 559, 693, 546, 694, 869, 649, 904, 895,                /* U+03BE */
};

static const short CYRILLIC[] = {
    696,  696,  872,  623,  771, 752, 463,  463,
    500,  1230, 1213, 900,  762, 826, 677,  827, /* U+0400 */
    752,  754,  754,  623,  820, 696, 1070, 677,
    826,  826,  762,  808,  927, 827, 866,  827, /* U+0410 */
    663,  768,  678,  677,  901, 754, 837,  783,
    1133, 1149, 862,  1012, 749, 771, 1138, 777, /* U+0420 */
    661,  676,  654,  518,  684, 655, 878,  577,
    704,  704,  651,  683,  766, 701, 668,  701, /* U+0430 */
    685,  588,  546,  651,  925, 651, 709,  666,
    964,  976,  705,  874,  628, 602, 923,  660, /* U+0440 */
    655,  655,  696,  518,  602, 573, 302,  302,
    379,  1005, 1005, 696,  651, 704, 651,  701, /* U+0450 */
};

static const struct alphabet {
    ucs4_t first;
    const short *widths;
    size_t size;
} ALPHABETS[] = {
    {0x20, ASCII, SIZE(ASCII)},
    {0xA0, LATIN_1_SIGNS, SIZE(LATIN_1_SIGNS)},
    {0x391, GREEK, SIZE(GREEK)},
    {0x400, CYRILLIC, SIZE(CYRILLIC)},
};

/* Letters and signs that do not decompose into a letter and a mark. */
static const struct {
    unsigned short c, width;
} LETTERS[] = {
    {0xC6, 1083},   {0xD0, 853},   {0xD7, 900},    {0xD8, 866},   {0xDE, 666},   {0xDF, 682},
    {0xE6, 1051},   {0xF0, 673},   {0xF7, 900},    {0xF8, 668},   {0xFE, 685},   {0x110, 853},
    {0x111, 685},   {0x126, 827},  {0x127, 696},   {0x131, 302},  {0x132, 958},  {0x133, 675},
    {0x138, 651},   {0x13F, 612},  {0x140, 504},   {0x141, 618},  {0x142, 313},  {0x149, 804},
    {0x14A, 823},   {0x14B, 696},  {0x152, 1177},  {0x153, 1080}, {0x166, 678},  {0x167, 433},
    {0x2010, 636},  {0x2013, 699}, {0x2014, 1100}, {0x2018, 295}, {0x2019, 295}, {0x201A, 295},
    {0x201C, 505},  {0x201D, 505}, {0x201E, 505},  {0x2022, 600}, {0x2026, 900}, {0x20AC, 699},
    {0x2122, 1074},
};

/* Returns the width of a character; 0: it is in no table. */
static int width_in_tables(ucs4_t c)
{
    for (size_t i = 0; i < SIZE(ALPHABETS); ++i)
        if (c >= ALPHABETS[i].first && c - ALPHABETS[i].first < ALPHABETS[i].size)
            return ALPHABETS[i].widths[c - ALPHABETS[i].first];
    for (size_t i = 0; i < SIZE(LETTERS); ++i)
        if (c == LETTERS[i].c)
            return LETTERS[i].width;
    return 0;
}

/* Returns the width of a letter of Verdana; 0: Verdana has none. A letter with a mark is as wide as
 * the letter. */
static int width_of_known(ucs4_t c)
{
    ucs4_t parts[UC_DECOMPOSITION_MAX_LENGTH];
    int width;

    while ((width = width_in_tables(c)) == 0 && uc_canonical_decomposition(c, parts) > 0)
        c = parts[0];
    return width;
}

/* --- other scripts --- */

/* Average widths of scripts, each up to a last code point: of a letter, of a mark beside its
 * letter, and by how much a virama narrows its letter and the next. They are means over the names
 * of languages and countries in several fonts, rounded up. */
static const struct script {
    ucs4_t last;
    short letter, mark, virama;
} SCRIPTS[] = {
    {0x052F, 680, 0, 0},      /* Latin, Greek, Cyrillic */
    {0x058F, 730, 0, 0},      /* Armenian */
    {0x05FF, 580, 0, 0},      /* Hebrew */
    {0x08FF, 600, 0, 0},      /* Arabic, Syriac, Thaana, N'Ko: what does not join */
    {0x097F, 670, 270, 250},  /* Devanagari */
    {0x09FF, 745, 335, 570},  /* Bengali */
    {0x0A7F, 730, 245, 655},  /* Gurmukhi */
    {0x0AFF, 685, 255, 250},  /* Gujarati */
    {0x0B7F, 845, 380, 690},  /* Oriya */
    {0x0BFF, 1010, 670, 40},  /* Tamil */
    {0x0C7F, 945, 405, 750},  /* Telugu */
    {0x0CFF, 880, 450, 650},  /* Kannada */
    {0x0D7F, 1140, 550, 780}, /* Malayalam */
    {0x0DFF, 900, 730, 30},   /* Sinhala */
    {0x0E7F, 650, 0, 0},      /* Thai */
    {0x0EFF, 660, 0, 0},      /* Lao */
    {0x0FFF, 680, 0, 0},      /* Tibetan */
    {0x109F, 925, 500, 100},  /* Myanmar */
    {0x11FF, 720, 0, 0},      /* Georgian */
    {0x139F, 690, 0, 0},      /* Ethiopic */
    {0x13FF, 890, 0, 0},      /* Cherokee */
    {0x177F, 750, 370, 0},    /* Canadian syllabics, runes, scripts of the Philippines */
    {0x17FF, 730, 370, 405},  /* Khmer */
    {0x1FFF, 700, 370, 0},    /* small scripts; Latin and Greek extended */
    {0x20CF, 650, 0, 0},      /* punctuation, currencies */
    {0x2BFF, 920, 0, 0},      /* arrows, mathematics, symbols */
    {0x10FFFF, 750, 370, 0},
};

/* Arabic letters that join to the next letter, that could but have none to join to, and that never
 * do. */
#define ARABIC_JOINED 470
#define ARABIC_FINAL  930
#define ARABIC_RIGHT  430

static bool is_arabic(ucs4_t c)
{
    return c >= 0x620 && c <= 0x8FF;
}

/* Returns whether it is the letter RA of Devanagari to Gujarati: joined by a virama it becomes a
 * small mark. */
static bool is_ra(ucs4_t c)
{
    return c >= 0x900 && c < 0xB00 && (c & 0x7F) == 0x30;
}

static const struct script *script_of(ucs4_t c)
{
    const struct script *script = SCRIPTS;

    while (c > script->last)
        ++script;
    return script;
}

/* Returns the estimated width of a letter before the character `next`; 0: it takes no room. */
static int width_of_estimated(ucs4_t c, ucs4_t next)
{
    int joining = uc_joining_type(c), to = next != 0 ? uc_joining_type(next) : UC_JOINING_TYPE_U;

    if (uc_width(c, "UTF-8") <= 0)
        return 0;
    if (is_arabic(c) && joining == UC_JOINING_TYPE_R)
        return ARABIC_RIGHT;
    if (is_arabic(c) && joining == UC_JOINING_TYPE_D)
        return to == UC_JOINING_TYPE_R || to == UC_JOINING_TYPE_D || to == UC_JOINING_TYPE_C
                   ? ARABIC_JOINED
                   : ARABIC_FINAL;
    if (c < 0x2000 && uc_is_general_category(c, UC_CATEGORY_P))
        return script_of(c)->letter / 2;
    return script_of(c)->letter;
}

/* Returns the width that a mark adds to its letter before the character `next`. */
static int width_of_mark(ucs4_t letter, ucs4_t mark, ucs4_t next)
{
    const struct script *script = script_of(mark);

    if (uc_combining_class(mark) == UC_CCC_VR) {
        if (next == 0 || script_of(next) != script)
            return 0;
        return is_ra(letter) || is_ra(next) ? -script->letter * 9 / 10 : -script->virama;
    }
    if (uc_is_general_category(mark, UC_CATEGORY_Mc))
        return script->mark;
    return uc_width(mark, "UTF-8") > 0 ? script->letter : 0; /* Thai's and Lao's AM */
}

/* --- a line --- */

/* A grapheme cluster: a letter with its marks, or an emoji of several parts. */
struct cluster {
    const uint8_t *at;
    size_t len;
    ucs4_t first;
    ucs4_t next; /* the first character of the next cluster; 0: this is the last */
};

static bool is_emoji(const struct cluster *cluster)
{
    static const uint8_t AS_EMOJI[] = {0xEF, 0xB8, 0x8F}; /* U+FE0F */

    return uc_is_property(cluster->first, UC_PROPERTY_EMOJI_PRESENTATION) ||
           (uc_is_property(cluster->first, UC_PROPERTY_EMOJI) &&
            memmem(cluster->at, cluster->len, AS_EMOJI, sizeof(AS_EMOJI)) != NULL);
}

/* Returns the width of a cluster. Clears `is_known` if it is an estimate. */
static int width_of_cluster(const struct cluster *cluster, bool is_bold, bool *is_known)
{
    int known = width_of_known(cluster->first);
    size_t at = (size_t)u8_mblen(cluster->at, cluster->len);
    int width = known != 0 ? known : width_of_estimated(cluster->first, cluster->next);
    ucs4_t mark;

    if (known == 0 || at < cluster->len)
        *is_known = false;
    if (is_emoji(cluster))
        return EMOJI_WIDTH; /* bold or not, as the next */
    if (known == 0 && uc_width(cluster->first, "UTF-8") == 2)
        return EM_WIDTH;
    while (at < cluster->len) {
        at += (size_t)u8_mbtouc(&mark, cluster->at + at, cluster->len - at);
        width += width_of_mark(cluster->first, mark, cluster->next);
    }
    if (width < 0)
        return 0;
    if (is_bold)
        width += width * (known != 0 || is_arabic(cluster->first) ? BOLD : BOLD_OTHER) / 1000;
    return width;
}

int badge_text_width(const char *text, size_t len, const struct badge_font *font, bool *is_known)
{
    const uint8_t *bytes = (const uint8_t *)text;
    struct buffer breaks = {0};
    int width = 0;

    *is_known = true;
    if (len == 0)
        return 0;
    u8_grapheme_breaks(bytes, len, buffer_reserve(&breaks, len));
    for (size_t at = 0, end; at < len; at = end) {
        struct cluster cluster = {.at = bytes + at};
        for (end = at + 1; end < len && !breaks.bytes[end];)
            ++end;
        cluster.len = end - at;
        u8_mbtouc(&cluster.first, cluster.at, cluster.len);
        if (end < len)
            u8_mbtouc(&cluster.next, bytes + end, len - end);
        width += width_of_cluster(&cluster, font->is_bold, is_known);
    }
    buffer_free(&breaks);
    return (width * font->size + 100 * FONT_SIZE - 1) / (100 * FONT_SIZE);
}
