/** Asks Temporal whether a job is still alive: by id, never by a visibility query. */

import { WorkflowNotFoundError, type Client } from '@temporalio/client';
import { jobWorkflowId } from '../../workflows/contract/ids.ts';

/** The reaper's only question. */
export interface OpenWorkflows {
  /** False also for a workflow that never was, or that Temporal has forgotten. */
  isOpen(jobId: string): Promise<boolean>;
}

export const openWorkflows = (client: Client): OpenWorkflows => ({
  async isOpen(jobId) {
    try {
      const { status } = await client.workflow.getHandle(jobWorkflowId(jobId)).describe();
      return status.name === 'RUNNING' || status.name === 'PAUSED';
    } catch (err) {
      if (err instanceof WorkflowNotFoundError) return false;
      throw err;
    }
  },
});
