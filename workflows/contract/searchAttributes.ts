/** Search attributes for operators. Never encrypted: nothing personal in them. */

import { defineSearchAttributeKey } from '@temporalio/common';

/** Where a job stands: `queued`, `staging`, `running`, `publishing`, `ended`. */
export const phaseAttribute = defineSearchAttributeKey('C2dPhase', 'KEYWORD');

/** Whose fault a failed job's end was: `consumer`, `operator`, `platform`; `none` for the others. */
export const faultAttribute = defineSearchAttributeKey('C2dFault', 'KEYWORD');

/** Id of the compute environment. */
export const environmentAttribute = defineSearchAttributeKey('C2dEnvironment', 'KEYWORD');

/** All of them: a Temporal server must know each before the first job. */
export const searchAttributes = [phaseAttribute, faultAttribute, environmentAttribute];
