/** Encrypts messages and stack traces of failures too; loaded by path, by clients and by the workflow bundle. */

import { DefaultFailureConverter } from '@temporalio/common';

export const failureConverter = new DefaultFailureConverter({ encodeCommonAttributes: true });
