// Tell the server in which zone the clock of whoever looks goes: times are written in it.
"use strict";
document.cookie = `magbroker_zone=${encodeURIComponent(Intl.DateTimeFormat().resolvedOptions().timeZone)};path=/;max-age=31536000;samesite=lax`;
