// `operant doctor --plan`: what models of common sizes need.
#ifndef OPERANT_CLI_DOCTOR_PLAN_H_
#define OPERANT_CLI_DOCTOR_PLAN_H_

namespace operant::cli {

// Prints the table of docs/sizing.md.
void PrintPlan();

}  // namespace operant::cli

#endif  // OPERANT_CLI_DOCTOR_PLAN_H_
