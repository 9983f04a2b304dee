/* The table of the contract: every state, act, relation and mode has one verdict. */
#include "claims/verdict.h"

#define P VERDICT_PASS
#define A VERDICT_ABSENT
#define X VERDICT_EXISTS
#define B VERDICT_BUSY
#define V VERDICT_VEIL
#define Q VERDICT_ASK

#define STATES 4
#define ACTS 6
#define RELATIONS 3

/* Rows: claim states. Columns: acts. Cells: relation unknown, family, stranger. */
static const ClaimVerdict table[STATES][ACTS][RELATIONS] =
    {
        [CLAIM_HELD] =
            {
                [ACT_SEE] = {P, P, P},
                [ACT_CREATE] = {X, X, X},
                [ACT_REMOVE] = {Q, P, B},
                [ACT_REPLACE] = {Q, P, B},
                [ACT_ALTER] = {Q, P, B},
                [ACT_ATTRS] = {Q, P, V},
            },
        [CLAIM_DEAD] =
            {
                [ACT_SEE] = {A, A, A},
                [ACT_CREATE] = {A, A, A},
                [ACT_REMOVE] = {A, A, A},
                [ACT_REPLACE] = {A, A, A},
                [ACT_ALTER] = {A, A, A},
                [ACT_ATTRS] = {A, A, A},
            },
        [CLAIM_LINGERING] =
            {
                [ACT_SEE] = {P, P, P},
                [ACT_CREATE] = {X, X, X},
                [ACT_REMOVE] = {B, B, B},
                [ACT_REPLACE] = {B, B, B},
                [ACT_ALTER] = {B, B, B},
                [ACT_ATTRS] = {V, V, V},
            },
        [CLAIM_GHOST] =
            {
                [ACT_SEE] = {P, P, P},
                [ACT_CREATE] = {P, P, P},
                [ACT_REMOVE] = {P, P, P},
                [ACT_REPLACE] = {P, P, P},
                [ACT_ALTER] = {P, P, P},
                [ACT_ATTRS] = {P, P, P},
            },
};

static ClaimVerdict ask(const Claim *claim, int act, int relation, bool observe)
{
    return claim_verdict(claim, (ClaimAct)act, (ClaimRelation)relation, observe);
}

static bool gives_way(int state, int act)
{
    return state == CLAIM_HELD && (act == ACT_REMOVE || act == ACT_REPLACE || act == ACT_ALTER);
}

static void check_cell(int state, int act, int relation)
{
    Claim claim = {.state = (uint8_t)state};
    g_test_message("state %d, act %d, relation %d", state, act, relation);
    ClaimVerdict want = table[state][act][relation];
    g_assert_cmpint(ask(&claim, act, relation, false), ==, want);
    g_assert_cmpint(ask(&claim, act, relation, true), ==, VERDICT_PASS);

    claim.release_anyone = true;
    want = gives_way(state, act) ? VERDICT_PASS : want;
    g_assert_cmpint(ask(&claim, act, relation, false), ==, want);
    g_assert_cmpint(ask(&claim, act, relation, true), ==, VERDICT_PASS);
}

static void test_every_cell(void)
{
    for (int state = 0; state < STATES; state++)
        for (int act = 0; act < ACTS; act++)
            for (int relation = 0; relation < RELATIONS; relation++)
                check_cell(state, act, relation);
}

static void test_no_claim(void)
{
    for (int act = 0; act < ACTS; act++)
        for (int relation = 0; relation < RELATIONS; relation++)
            g_assert_cmpint(ask(NULL, act, relation, false), ==, VERDICT_PASS);
}

/* Whoever asks again with the relation known gets an answer. */
static void test_asks_once(void)
{
    for (int state = 0; state < STATES; state++)
        for (int act = 0; act < ACTS; act++)
            for (int relation = RELATION_FAMILY; relation <= RELATION_STRANGER; relation++) {
                Claim claim = {.state = (uint8_t)state};
                g_assert_cmpint(ask(&claim, act, relation, false), !=, VERDICT_ASK);
            }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/verdict/every-cell", test_every_cell);
    g_test_add_func("/verdict/no-claim", test_no_claim);
    g_test_add_func("/verdict/asks-once", test_asks_once);
    return g_test_run();
}
