"""Apps, the codes and tokens that members granted them, and the passwords with which members sign in.

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _apps()
    _codes()
    _tokens()
    _passwords()


def downgrade() -> None:
    raise NotImplementedError("go back by restoring the backup that was made before the upgrade")


def _apps() -> None:
    op.create_table(
        "oauth_app",
        sa.Column("app_id", sa.String(length=16), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("owner_id", sa.String(length=13), nullable=False),
        sa.Column("redirect_uris", sa.JSON(), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("secret_sha256", sa.String(length=64), nullable=True),
        sa.Column("allow_implicit", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["member.member_id"], name=op.f("fk_oauth_app_owner_id_member")
        ),
        sa.PrimaryKeyConstraint("app_id", name=op.f("pk_oauth_app")),
    )


def _codes() -> None:
    op.create_table(
        "oauth_code",
        sa.Column("code_sha256", sa.String(length=64), nullable=False),
        sa.Column("app_id", sa.String(length=16), nullable=False),
        sa.Column("member_id", sa.String(length=13), nullable=False),
        sa.Column("family", sa.String(length=36), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("redirect_uri", sa.Text(), nullable=False),
        sa.Column("challenge", sa.String(length=43), nullable=True),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("traded_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["app_id"], ["oauth_app.app_id"], name=op.f("fk_oauth_code_app_id_oauth_app")
        ),
        sa.ForeignKeyConstraint(
            ["member_id"], ["member.member_id"], name=op.f("fk_oauth_code_member_id_member")
        ),
        sa.PrimaryKeyConstraint("code_sha256", name=op.f("pk_oauth_code")),
    )


def _tokens() -> None:
    op.create_table(
        "oauth_token",
        sa.Column("token_sha256", sa.String(length=64), nullable=False),
        sa.Column("use", sa.String(length=10), nullable=False),
        sa.Column("family", sa.String(length=36), nullable=False),
        sa.Column("app_id", sa.String(length=16), nullable=False),
        sa.Column("member_id", sa.String(length=13), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("issued_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("spent_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("use IN ('access', 'refresh')", name=op.f("ck_oauth_token_use")),
        sa.ForeignKeyConstraint(
            ["app_id"], ["oauth_app.app_id"], name=op.f("fk_oauth_token_app_id_oauth_app")
        ),
        sa.ForeignKeyConstraint(
            ["member_id"], ["member.member_id"], name=op.f("fk_oauth_token_member_id_member")
        ),
        sa.PrimaryKeyConstraint("token_sha256", name=op.f("pk_oauth_token")),
    )


def _passwords() -> None:
    op.create_table(
        "member_password",
        sa.Column("member_id", sa.String(length=13), nullable=False),
        sa.Column("encoded", sa.Text(), nullable=False),
        sa.Column("set_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["member_id"], ["member.member_id"], name=op.f("fk_member_password_member_id_member")
        ),
        sa.PrimaryKeyConstraint("member_id", name=op.f("pk_member_password")),
    )
