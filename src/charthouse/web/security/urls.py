"""The addresses of signing in, the lock and one's own account."""

from __future__ import annotations

from django.urls import path

from .views import account, invitation, lock, sign_in

urlpatterns = [
    path("sign-in/", sign_in.sign_in, name="account_login"),
    path("sign-in/code/", sign_in.enter_code, name="mfa_authenticate"),
    path("invitation/", invitation.invitation, name="invitation"),
    path("sign-out/", sign_in.leave, name="account_logout"),
    path("session/", lock.status, name="session_status"),
    path("session/seen/", lock.seen, name="session_seen"),
    path("session/lock/", lock.lock, name="session_lock"),
    path("session/locked/", lock.locked, name="session_locked"),
    path("session/kept/", lock.kept, name="session_kept"),
    path("account/", account.account, name="account"),
    path("account/password/", account.password, name="account_password"),
    path("account/authenticator/", account.totp, name="account_totp"),
    path("account/recovery-codes/", account.recovery_codes, name="account_recovery_codes"),
    path("account/sessions/end-others/", account.end_others, name="account_end_others"),
    path("account/sessions/<uuid:session>/end/", account.end_session, name="account_end_session"),
]
