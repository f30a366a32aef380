/* A plan for people and for programs. */
#ifndef TS_CLI_PLAN_TABLE_H
#define TS_CLI_PLAN_TABLE_H

#include "core/json.h"
#include "run/plan.h"

#include <stdio.h>

/* A row for each stage with something left, the totals, where the rates come from and what is assumed. */
void ts_plan_table(FILE *, const struct ts_plan *);
/* Seconds, bytes and tokens as they are; what was not measured is null. NULL when out of memory. */
json_t *ts_plan_json(const struct ts_plan *);

#endif
