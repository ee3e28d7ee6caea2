/** All activities, as the orchestrator's worker registers them and the workflows call them. */

import { auditPlaces, type AuditPlacesDeps } from './auditPlaces.ts';
import { beginSelfTest, type BeginSelfTestDeps } from './beginSelfTest.ts';
import { claimPayment, type ClaimPaymentDeps } from './claimPayment.ts';
import { createPod, type CreatePodDeps } from './createPod.ts';
import { deletePod, type DeletePodDeps } from './deletePod.ts';
import { deliverOutputs, type DeliverOutputsDeps } from './deliverOutputs.ts';
import type { ImageNotesDeps } from './noteImage.ts';
import { expireJobs, type ExpireJobsDeps } from './expireJobs.ts';
import { lockPayment, type LockPaymentDeps } from './lockPayment.ts';
import { postWebhook, type PostWebhookDeps } from './postWebhook.ts';
import { publishAsset, type PublishAssetDeps } from './publishAsset.ts';
import { publishOutputs } from './publishOutputs.ts';
import { reapPods, type ReapPodsDeps } from './reapPods.ts';
import { recallPlaces, type RecallPlacesDeps } from './recallPlaces.ts';
import { recordAssetFailure, type RecordAssetFailureDeps } from './recordAssetFailure.ts';
import { recordJob, type RecordJobDeps } from './recordJob.ts';
import { recordPositions, type RecordPositionsDeps } from './recordPositions.ts';
import { recordRefusal, type RecordRefusalDeps } from './recordRefusal.ts';
import { recordVerdict, type RecordVerdictDeps } from './recordVerdict.ts';
import { releasePayment } from './releasePayment.ts';
import { repairJobs, type RepairJobsDeps } from './repairJobs.ts';
import { runAlgorithm, type PodObserver } from './runAlgorithm.ts';
import { stageInputs, type StageInputsDeps } from './stageInputs.ts';
import { stopPod, type StopPodDeps } from './stopPod.ts';
import { validateOrder, type ValidateOrderDeps } from './validateOrder.ts';

/** What all activities together need. */
export type ActivityDeps = ValidateOrderDeps &
  LockPaymentDeps &
  ClaimPaymentDeps &
  CreatePodDeps &
  PodObserver &
  ImageNotesDeps &
  StageInputsDeps &
  StopPodDeps &
  DeletePodDeps &
  DeliverOutputsDeps &
  RecordJobDeps &
  RecordRefusalDeps &
  RecallPlacesDeps &
  RecordPositionsDeps &
  AuditPlacesDeps &
  BeginSelfTestDeps &
  RecordVerdictDeps &
  PublishAssetDeps &
  RecordAssetFailureDeps &
  PostWebhookDeps &
  ReapPodsDeps &
  RepairJobsDeps &
  ExpireJobsDeps;

/** @param deps the adapters, joined in the orchestrator's `main.ts` */
export const createActivities = (deps: ActivityDeps) => ({
  validateOrder: validateOrder(deps),
  lockPayment: lockPayment(deps),
  createPod: createPod(deps),
  stageInputs: stageInputs(deps),
  runAlgorithm: runAlgorithm(deps),
  publishOutputs: publishOutputs(deps),
  deliverOutputs: deliverOutputs(deps),
  claimPayment: claimPayment(deps),
  releasePayment: releasePayment(deps),
  publishAsset: publishAsset(deps),
  recordAssetFailure: recordAssetFailure(deps),
  postWebhook: postWebhook(deps),
  stopPod: stopPod(deps),
  deletePod: deletePod(deps),
  recordJob: recordJob(deps),
  recordRefusal: recordRefusal(deps),
  recallPlaces: recallPlaces(deps),
  recordPositions: recordPositions(deps),
  auditPlaces: auditPlaces(deps),
  beginSelfTest: beginSelfTest(deps),
  recordVerdict: recordVerdict(deps),
  reapPods: reapPods(deps),
  repairJobs: repairJobs(deps),
  expireJobs: expireJobs(deps),
});

export type Activities = ReturnType<typeof createActivities>;
