#include "engine/notice.h"

#include "base/clock.h"

void notice_send(Engine *engine, const Notice *notice)
{
    if (!engine->notice)
        return;
    Notice stamped = *notice;
    stamped.at_ns = clock_real_ns();
    engine->noticed = true;
    engine->notice(engine->notice_ctx, &stamped);
}

void notice_refused(Engine *engine, const Claim *claim, const Caller *caller)
{
    if (!engine->notice || !caller)
        return;
    notice_send(engine, &(Notice){
                            .kind = NOTICE_REFUSED,
                            .claim = claim,
                            .by_tid = caller->tid,
                            .by_uid = caller->uid,
                        });
}

void notice_listen(Engine *engine, NoticeFunc func, void *ctx)
{
    engine->notice = func;
    engine->notice_ctx = ctx;
}
