"""The words by which a draft recognises tables, columns and values, in the languages files come in. Declared here and nowhere else.

A phrase of several words also matches them written together; letters are compared without case and accents (ß as ss).
"""

import functools
import re
import unicodedata

# Table: what files of it are called.
TABLES = {
    "customers": "customers customer clients client debtors kunden kunde kundenstamm stammdaten debitoren companies company firms firm "
                 "firmen master klienci "
                 "clienti clientes 客户 客戶 企业 고객 회사",
    "statements": "statements statement balance_sheet financials annual_report bilanz bilanzen jahresabschluss abschluss abschluesse bilan "
                  "etats_financiers "
                  "财务 报表 財務 재무제표 재무",
    "contracts": "contracts contract orders vertraege vertrag auftraege bestellungen contrats contratos umowy 合同 订单 계약",
    "invoices": "invoices invoice bills receivables rechnungen rechnung offene_posten factures facturas faktury 发票 应收 發票 송장 청구서",
    "payments": "payments payment receipts zahlungen zahlung zahlungseingang paiements pagos platby 付款 回款 收款 지급 결제",
    "transactions": "transactions transaction trans bookings umsaetze buchungen kontobewegungen mouvements transacciones transakcje 交易 流水 거래",
    "events": "events event complaints complaint disputes dispute lawsuits lawsuit claims inquiries beschwerden reklamationen klagen "
              "mahnungen litiges 投诉 "
              "诉讼 事件 소송 민원",
    "exposures": "exposures exposure limits limit credit_lines kreditlinien kreditlimit obligo engagement encours 额度 敞口 授信 한도",
    "series": "series index indices market macro konjunktur indizes 指数 宏观 지수",
    "outcomes": "outcomes outcome defaults default failures failure insolvencies insolvency bankruptcies delistings chargeoffs ausfaelle "
                "ausfall insolvenzen "
                "defauts impagos 违约 破产 逾期名单 부도 상장폐지",
    "observations": "observations labelled labeled train training applications snapshots antraege 样本 申请 표본",
}

# Column of the contract: what its columns are called. `customer_id` and the dates come first because every table asks for them.
COLUMNS = {
    "customer_id": "customer_id customer_no customer_number customer_nr customer cust_id cust_no client_id client_no client borrower_id "
                   "obligor_id debtor_id "
                   "debtor_no kunde kunden_id kundennummer kunden_nr kundennr kd_nr debitor debitoren_nr debitorennummer company_id "
                   "company_no company_code "
                   "firm_id firm_no corp_code corp_id stock_code ticker lei gvkey numero_client id_cliente cliente id_klienta klient "
                   "客户编号 客户号 客户代码 客户 客戶編號 企业编号 公司代码 股票代码 统一社会信用代码 "
                   "고객번호 고객 종목코드 회사코드",
    "name": "name company_name customer_name firm_name firma firmenname firmierung nom raison_sociale nombre nazwa 名称 姓名 公司名称 "
            "客户名称 企业名称 회사명 이름",
    "kind": "kind type customer_type art typ kundenart typ_klienta 类型 类别 유형 구분",
    "industry": "industry sector branche branch nace sic naics secteur sector_code 行业 업종",
    "scope": "scope business_scope geschaeftszweck taetigkeit 经营范围",
    "ownership": "ownership rechtsform legal_form ownership_type 企业性质 所有制",
    "region": "region state bundesland land country country_code plz province city ort stadt pays 地区 省份 城市 지역",
    "founded_on": "founded_on founded founding_date gruendung gruendungsdatum gegruendet date_creation birth_date geburtsdatum 成立日期 "
                  "注册日期 설립일",
    "onboarded_on": "onboarded_on onboarded customer_since client_since kunde_seit anlagedatum kundenseit opened_on client_depuis 开户日期 "
                    "建档日期 가입일",
    "period_end": "period_end fiscal_year_end reporting_date balance_date bilanzstichtag stichtag abschlussdatum period year fiscal_year "
                  "geschaeftsjahr jahr "
                  "date_cloture 报告期 会计期间 截止日期 결산일 사업연도",
    "period_months": "period_months months monate 月数",
    "basis": "basis consolidation konsolidierung fs_div 合并 연결구분",
    "audited": "audited geprueft audit 审计",
    "contract_id": "contract_id contract_no contract_number vertrags_nr vertragsnummer vertragsnr auftrags_nr order_id order_no 合同编号 "
                   "订单号 계약번호",
    "signed_on": "signed_on signed signing_date contract_date order_date vertragsdatum abschluss_am vertragsbeginn 签订日期 签约日期 계약일",
    "fulfilled_on": "fulfilled_on fulfilled delivered_on delivery_date erfuellt_am lieferdatum geliefert 完成日期 交付日期 이행일",
    "invoice_id": "invoice_id invoice_no invoice_number invoice rechnungs_nr rechnungsnummer rechnungsnr beleg_nr belegnummer "
                  "numero_facture 发票号 发票编号 "
                  "송장번호",
    "issued_at": "issued_at issued invoice_date issue_date rechnungsdatum belegdatum date_facture fecha_factura 开票日期 发票日期 발행일",
    "due_at": "due_at due_on due due_date faellig faellig_am faelligkeit faelligkeitsdatum echeance vencimiento 到期日 到期日期 만기일",
    "category": "category goods product product_group product_category commodity warengruppe artikelgruppe produktgruppe categorie "
                "商品类别 产品类别 品类 货物名称 품목",
    "payment_id": "payment_id payment_no payment_number zahlungs_nr zahlungsnummer receipt_no 付款编号 回款编号",
    "transaction_id": "transaction_id trans_id txn_id transaction_no buchungs_nr buchungsnummer 交易编号 流水号 거래번호",
    "event_id": "event_id event_no case_id case_no ticket_id aktenzeichen 事件编号 案号",
    "occurred_at": "occurred_at occurred date event_date transaction_date trans_date payment_date paid_on paid_at booked_on value_date "
                   "buchungsdatum datum "
                   "wertstellung valuta zahlungsdatum zahldatum ereignisdatum default_date failure_date insolvency_date ausfalldatum "
                   "insolvenzdatum 日期 "
                   "交易日期 付款日期 发生日期 违约日期 일자 거래일자",
    "known_at": "known_at filed_on filed_at filing_date published_on publication_date posted_on posted_at posting_date reported_on "
                "recorded_on received_on "
                "eingangsdatum eingegangen_am erfasst_am gebucht_am veroeffentlicht_am date_depot 公告日期 披露日期 入账日期 접수일자 공시일",
    "amount": "amount betrag summe value total gross_amount net_amount bruttobetrag nettobetrag rechnungsbetrag umsatz montant importe "
              "kwota castka 金额 交易金额 "
              "금액",
    "currency": "currency ccy curr waehrung devise moneda waluta 币种 货币 통화",
    "status": "status state_of_contract vertragsstatus stand statut 状态 상태",
    "balance": "balance account_balance saldo kontostand solde 余额 잔액",
    "counterparty_id": "counterparty_id counterparty merchant_id merchant terminal_id payee gegenkonto empfaenger beneficiary 对手方 商户号 거래처",
    "channel": "channel kanal canal 渠道 채널",
    "severity": "severity schwere grade level 严重程度",
    "confidence": "confidence 置信度",
    "source": "source quelle herkunft 来源 출처",
    "limit": "limit credit_limit kreditlimit limite 额度 授信额度 한도",
    "exposure": "exposure outstanding obligo inanspruchnahme encours 敞口 余额敞口",
    "collateral": "collateral sicherheit sicherheiten garantie 抵押 担保 담보",
    "loss": "loss loss_amount verlust ausfallbetrag perte 损失 손실",
    "cured_at": "cured_at cured cured_on geheilt_am 恢复日期",
    "industry_name": "industry sector branche 行业",
    "value": "value wert level valeur 数值 值",
    "unit": "unit einheit unite 单位",
    "as_of": "as_of as_of_date snapshot snapshot_date observation_date obs_date reporting_date application_date cutoff_date stichtag antragsdatum "
             "beobachtungsdatum date_observation date datum month monat 观察日期 快照日期 申请日期 日期 기준일 관측일",
    "target": "target label default default_flag is_default defaulted bad bad_flag is_bad y class outcome churn fraud is_fraud bankrupt "
              "bankruptcy failed "
              "delinquent default_next_month default_payment_next_month ausfall ausgefallen ausfallkennzeichen insolvent zielvariable "
              "defaut impago 是否违约 违约 "
              "违约标志 标签 是否逾期 부도 부도여부 연체여부",
    "target_known_at": "target_known_at target_known label_date label_known outcome_date outcome_known default_known 标签日期",
    "cash": "cash cash_and_equivalents liquide_mittel kasse 货币资金 현금및현금성자산",
    "receivables": "receivables accounts_receivable trade_receivables forderungen 应收账款 매출채권",
    "inventory": "inventory inventories stock vorraete 存货 재고자산",
    "current_assets": "current_assets umlaufvermoegen actif_circulant 流动资产 流动资产合计 유동자산",
    "fixed_assets": "fixed_assets non_current_assets anlagevermoegen 非流动资产 固定资产 비유동자산",
    "total_assets": "total_assets assets bilanzsumme gesamtvermoegen aktiva total_actif 总资产 资产总计 자산총계",
    "payables": "payables accounts_payable trade_payables verbindlichkeiten_ll 应付账款 매입채무",
    "short_term_debt": "short_term_debt short_term_loans kurzfristige_bankverbindlichkeiten 短期借款 단기차입금",
    "current_liabilities": "current_liabilities kurzfristige_verbindlichkeiten 流动负债 流动负债合计 유동부채",
    "long_term_debt": "long_term_debt long_term_loans langfristige_verbindlichkeiten 长期借款 장기차입금",
    "total_liabilities": "total_liabilities liabilities verbindlichkeiten fremdkapital total_passif 总负债 负债合计 부채총계",
    "paid_in_capital": "paid_in_capital share_capital gezeichnetes_kapital stammkapital 实收资本 자본금",
    "retained_earnings": "retained_earnings gewinnruecklagen gewinnvortrag 未分配利润 이익잉여금",
    "equity": "equity total_equity eigenkapital capitaux_propres 所有者权益 股东权益 자본총계",
    "revenue": "revenue revenues sales net_sales turnover umsatz umsatzerloese chiffre_affaires 营业收入 매출액",
    "cost_of_sales": "cost_of_sales cost_of_goods_sold cogs materialaufwand herstellungskosten 营业成本 매출원가",
    "gross_profit": "gross_profit rohertrag bruttoergebnis 毛利 매출총이익",
    "operating_expenses": "operating_expenses opex betriebsaufwand 营业费用",
    "depreciation": "depreciation depreciation_amortization abschreibungen abschreibung 折旧 감가상각비",
    "ebit": "ebit operating_income operating_profit betriebsergebnis 营业利润 영업이익",
    "interest_expense": "interest_expense zinsaufwand zinsen 利息费用 财务费用 이자비용",
    "pretax_income": "pretax_income profit_before_tax ergebnis_vor_steuern 利润总额 법인세차감전순이익",
    "tax": "tax income_tax steuern ertragsteuern 所得税 법인세비용",
    "net_income": "net_income net_profit profit jahresueberschuss jahresergebnis resultat_net 净利润 당기순이익",
    "operating_cash_flow": "operating_cash_flow cash_flow_from_operations cashflow_aus_laufender_geschaeftstaetigkeit 经营活动现金流量净额 "
                           "영업활동현금흐름",
    "investing_cash_flow": "investing_cash_flow 投资活动现金流量净额 투자활동현금흐름",
    "financing_cash_flow": "financing_cash_flow 筹资活动现金流量净额 재무활동현금흐름",
    "capex": "capex investitionen 资本支出",
    "dividends": "dividends dividenden ausschuettung 股利",
}

PAID = "paid_on paid_at paid payment_date date_paid bezahlt_am bezahlt zahlungsdatum zahldatum date_paiement 付款日期 回款日期 支付日期 지급일"
DEFAULTED = ("default_date defaulted_on date_of_default failure_date insolvency_date insolvent_on bankruptcy_date ausfalldatum "
"ausgefallen_am insolvenzdatum "
             "insolvent_seit 违约日期 破产日期 부도일")
# What a date is called that says when a row came to be known, beside the words of known_at itself: a date of these names is preferred among several.
KNOWN = COLUMNS["known_at"] + (" filed reported entered recorded created posted booked published announced noticed registered received submitted "
                               "eingereicht gemeldet angelegt erfasst gebucht eingegangen veroeffentlicht bekannt festgestellt enregistre publie comptabilise "
                               "录入 登记 公告 披露 申报 入账 创建 등록 공시 접수")
# The day on which rows were loaded says when we got them, not when the world knew them.
IMPORTED = ("import imported import_date import_day load_date loaded loaded_at load_day etl etl_date extract extracted extract_date "
"export_date exported inserted_at "
            "inserted updated_at last_updated batch_date importdatum importiert exportdatum ladedatum geladen 导入日期 更新时间 적재일")
DATED = ("date datum day tag am at on seit since time zeit timestamp fecha jour dat monat month 日期 时间 일자 일시 " + PAID)
IDENTIFIER = "id no nr number nummer code key uuid guid ref referenz aktenzeichen iban konto account_no 编号 号 代码 번호 코드"
PERSONAL = ("name vorname nachname surname last_name first_name company_name customer_name firma firmenname email mail phone telefon mobile "
"address adresse "
            "street strasse iban nom prenom 姓名 名称 电话 地址 이름 회사명 주소")
EVENT_KINDS = {
    "complaint": "complaints complaint beschwerden beschwerde reklamationen reklamation 投诉 민원",
    "dispute": "disputes dispute mahnungen litiges 争议",
    "lawsuit": "lawsuits lawsuit klagen klage litigation 诉讼 소송",
    "inquiry": "inquiries inquiry anfragen anfrage 查询",
}

MISSING = ("", "na", "n/a", "nan", "null", "none", "nil", "-", "--", "?", ".", "#n/a", "#nv", "k.a.", "k. a.", "keine angabe", "unknown",
       "unbekannt", "missing",
           "(null)", r"\n", "0000-00-00", "00.00.0000", "无", "缺失", "없음")

YES = ("1", "1.0", "true", "t", "yes", "y", "ja", "j", "wahr", "oui", "o", "vrai", "si", "sí", "sim", "tak", "ano", "是", "有", "예", "네", "bad",
       "schlecht", "default",
       "defaulted", "ausfall", "ausgefallen", "failed", "bankrupt", "insolvent", "违约", "坏", "부도", "불량", "fraud", "charged off")
NO = ("0", "0.0", "false", "f", "no", "n", "nein", "falsch", "non", "faux", "não", "nao", "nie", "ne", "否", "无", "아니오", "아니요", "good",
       "gut", "no default",
      "non-default", "not defaulted", "kein ausfall", "alive", "active", "healthy", "paid", "fully paid", "正常", "好", "정상", "genuine", "ok")


def plain(text):
    """The letters and digits of a text, without case and accents; words apart by one space."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", text).lower()
    for letter, written in (("ß", "ss"), ("ä", "ae"), ("ö", "oe"), ("ü", "ue")):
        spaced = spaced.replace(letter, written)
    bare = "".join(letter for letter in unicodedata.normalize("NFKD", spaced) if not unicodedata.combining(letter))
    return re.sub(r"[\W_]+", " ", unicodedata.normalize("NFC", bare)).strip()


def likeness(name, phrases):
    """How well a name fits the phrases: 3 the same word, 2 all words of a phrase are in it, 1 a longer phrase stands inside it, 0 not at all."""
    given = plain(name)
    return max((_fit(given, phrase) for phrase in _phrases(phrases)), default=0)


def truth(value):
    """1 for a word that says yes or bad, 0 for one that says no or good, None for any other."""
    word = str(value).strip().lower()
    return 1 if word in YES else 0 if word in NO else None


@functools.cache
def _phrases(phrases):
    return tuple(plain(phrase) for phrase in phrases.split())


def _fit(given, phrase):
    joined, wanted = given.replace(" ", ""), phrase.replace(" ", "")
    if joined == wanted:
        return 3
    if set(phrase.split()) <= set(given.split()):
        return 2
    wide = any(ord(letter) > 0x2E80 for letter in wanted)
    return 1 if wanted in joined and len(wanted) >= (2 if wide else 5) else 0
