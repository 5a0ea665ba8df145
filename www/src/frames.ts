/**
 * Calls `look` with the newest frame of a playing video, one call at a time. A frame that arrives while `look` is still busy
 * is dropped, never queued, so what is drawn is as fresh as the machine allows. Returns a function that stops the loop.
 */
export function followFrames(video: HTMLVideoElement, look: (skipped: number) => Promise<void>): () => void {
  let running = true;
  let handle = 0;
  let lastPresented: number | undefined;

  const step = async (presented: number): Promise<void> => {
    const skipped = lastPresented === undefined ? 0 : Math.max(presented - lastPresented - 1, 0);
    lastPresented = presented;
    if (video.videoWidth > 0 && video.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA) await look(skipped);
    if (running) next();
  };
  // Firefox before 132 has no requestVideoFrameCallback; there every display frame counts as a video frame.
  const perVideoFrame = "requestVideoFrameCallback" in HTMLVideoElement.prototype;
  let displayed = 0;
  const next = (): void => {
    handle = perVideoFrame
      ? video.requestVideoFrameCallback((_, { presentedFrames }) => void step(presentedFrames))
      : requestAnimationFrame(() => void step(++displayed));
  };
  next();

  return () => {
    running = false;
    if (perVideoFrame) video.cancelVideoFrameCallback(handle);
    else cancelAnimationFrame(handle);
  };
}
