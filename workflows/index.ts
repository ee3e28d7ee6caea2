/** The workflow functions, and nothing else: this is the bundle's entry. */

export { computeJob } from './computeJob.ts';
export { environmentQueue } from './environmentQueue.ts';
export { expireJobs } from './expireJobs.ts';
export { postWebhook } from './postWebhook.ts';
export { proveSeal } from './proveSeal.ts';
export { reapPods } from './reapPods.ts';
export { publishAsset } from './publishAsset.ts';
