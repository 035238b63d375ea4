# include <linux/a.h> // one
#define F(x) \
	g("a", x) /* two
	three */ + 1
static const struct pair *f(u32 a, size_t b[0x1F])
{
	char c = '\'', *s = "/* \" */";	/* four */

	return (struct pair){ .left = a + 1.5e-3f, s, c, other_t };
}
#if 0
it's "not
#endif
x = 'a;
