static int f(int a)
{
	int b = a;	/* one */
	/* two */
	if (a &&
	      b)
		return 1;
	for (;;) {
		b = ({
		      int c; c;
	    });
#ifdef A
		g();
#else
	not checked, because A is not defined here;
#endif
		h(); // three
	}

	switch (a) {
	case 1:
		b = 2;
		break;
	case 2: {
		int d;

		d = 3;
	}
		break;
	default:
again:
		b++;
	}
	return b;
}

struct s {
	int a;
	struct {
		int c;
	} b[2];
};
