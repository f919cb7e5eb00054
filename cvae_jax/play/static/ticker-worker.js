// Ticks outside the page's thread, whose own timers browsers slow down while it is not shown.

const PERIOD_MS = 25;
let timer = 0;

onmessage = ({data}) => {
  clearInterval(timer);
  if (data) timer = setInterval(() => postMessage(0), PERIOD_MS);
};
